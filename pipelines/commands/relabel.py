"""`unsam relabel`: SEPL on label maps and masks that others made."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.commands.console import err, errors_in_one_line, out, table
from stores.location import Location, OutOfSpace


def relabel(labels: str, masks: str, output: str, preset: str, classes: int, overrides: Sequence[str]) -> int:
    """Write repaired label maps and count what happened; exit code 1 where one was refused."""
    from ops.presets import SettingsError
    from ops.sepl.files import relabel_files
    from ops.sepl.presets import resolve_sepl
    from stores.annotations import BadAnnotations

    with errors_in_one_line(SettingsError, FileNotFoundError, BadAnnotations, ValueError, OutOfSpace):
        settings = resolve_sepl(preset, overrides)
        done = []
        for outcome in relabel_files(Location(labels), Location(masks), Location(output), classes, settings):
            done.append(outcome)
            if outcome.reason:
                err.print(f"[red]refused {outcome.name}:[/red] {outcome.reason}", highlight=False, soft_wrap=True)
    results = [outcome.result for outcome in done if outcome.result]
    counts = {
        "repaired": len(results) - sum(outcome.without_masks for outcome in done),
        "without masks, passed through": sum(outcome.without_masks for outcome in done),
        "refused": len(done) - len(results),
        "masks used": sum(result.chosen for result in results),
        "classes for which no mask was chosen": sum(len(result.bare) for result in results),
        "classes that vanished": sum(len(result.vanished) for result in results),
    }
    out.print(table(f"{output}/, preset {preset}", ["what", "count"], list(counts.items())))
    return 1 if counts["refused"] else 0
