"""What each round of training gained: the measured versions of a model, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.evaluation_history import HistoryEntry

MEASURES = ("AR@1000", "oracle")


@dataclass(frozen=True)
class Round:
    """One version of a model: when it was measured, its number, and what that is above the version before."""

    time: datetime
    version: str
    value: float
    gain: float | None


def rounds_of(past: Sequence[HistoryEntry], model: str, measure: str) -> list[Round]:
    """Versions of a model that `measure` was taken of, oldest first; of several measurements the last counts."""
    latest: dict[str, tuple[datetime, float]] = {}
    for entry in past:
        source = entry.sources.get(model)
        value = source.numbers.get(measure) if source else None
        if source and value is not None:
            latest[source.made_by] = (entry.time, value)
    found: list[Round] = []
    for version, (time, value) in latest.items():
        found.append(Round(time, version, value, value - found[-1].value if found else None))
    return found


def rounds_table(past: Sequence[HistoryEntry], model: str) -> str:
    """Markdown: a row for each round, with AR@1000 of everything mode and the click oracle, each with its gain."""
    head = "| round | measured | version | " + " | ".join(f"{name}, % | gain" for name in MEASURES) + " |"
    by_measure = {name: {r.version: r for r in rounds_of(past, model, name)} for name in MEASURES}
    versions = {version: found.time for rounds in by_measure.values() for version, found in rounds.items()}
    ordered = sorted(versions, key=lambda version: versions[version])
    rows = [
        f"| {number} | {versions[version]:%Y-%m-%d %H:%M} | {version} | "
        + " | ".join(_cells(by_measure[name].get(version)) for name in MEASURES)
        + " |"
        for number, version in enumerate(ordered, 1)
    ]
    return "\n".join([head, "|" + "---|" * (3 + 2 * len(MEASURES)), *rows])


def _cells(found: Round | None) -> str:
    if found is None:
        return "- | -"
    return f"{100 * found.value:.1f} | {'-' if found.gain is None else f'{100 * found.gain:+.1f}'}"
