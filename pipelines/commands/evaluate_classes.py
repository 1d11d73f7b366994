"""`unsam evaluate-classes`: mean IoU of every stage on the way from tags to class masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ops.sepl.evaluation import SCORE_HEAD, score_rows, short_name
from pipelines.classes import score_classes
from pipelines.commands.console import err, out, table
from pipelines.instance import open_instance
from stores.home import Home

_NAMED = 5


def evaluate_classes(
    truth: str, shards: Sequence[str], masks: Sequence[str], most_masks: int | None, page: Path | None
) -> int:
    """Score shards against true label maps and print a table; write a page where one is wanted."""
    config = {
        "truth": truth,
        "shards": list(shards),
        "masks": list(masks) or ["hierarchical_masks"],
        "most_masks": most_masks or 0,
        "page": str(page) if page else "",
    }
    with open_instance(Home.from_environment()) as instance:
        done = score_classes(instance, config)
    if done.error:
        err.print(f"[red]error:[/red] {done.error}", highlight=False, soft_wrap=True)
        return 2
    told = done.metadata["class_evaluation"]
    for name in told["without_truth"][:_NAMED]:
        err.print(f"no true label map of {name}", highlight=False)
    rows = [[short_name(stage), *numbers] for stage, *numbers in score_rows(told["scores"])]
    title = f"{told['images']} photos, {told['images_without_truth']} without truth"
    out.print(table(title, SCORE_HEAD, rows))
    if page is not None:
        out.print(f"Open [bold]{page / 'index.html'}[/bold]")
    return 0
