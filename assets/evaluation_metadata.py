"""What the UI shows of an evaluation: the table, what was published, and numbers that it plots over runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ops.evaluation_history import HistoryEntry, SourceEntry
from ops.evaluation_stage import Evaluation
from ops.evaluation_table import FROM_THE_PAPER, comparison_table, paper_rows

_SHOWN = 20
_OF_HISTORY = ("AR@100", "AR@1000")


def of_evaluation(result: Evaluation, paper: Mapping[str, float], past: Sequence[HistoryEntry]) -> dict[str, Any]:
    """One number an entry, as `round1_AR@100`, in [0, 1]; tables for the eye; NaN is left out."""
    numbers = {
        f"{name}_{number}": value
        for name, scores in result.scores.items()
        for number, value in scores.numbers().items()
        if number != "images" and not math.isnan(value)
    }
    absent = {"models_missing": ", ".join(result.missing_models)} if result.missing_models else {}
    published = {"paper": _paper(paper)} if paper else {}
    return {
        "table": dg.MetadataValue.md(comparison_table(result.scores, paper)),
        "images": result.images,
        "seconds": round(result.seconds, 1),
        **absent,
        **numbers,
        **published,
        "history": _history(past),
    }


def _paper(paper: Mapping[str, float]) -> dg.MetadataValue:
    columns = [dg.TableColumn("method", "string"), dg.TableColumn("AR@1000", "string", FROM_THE_PAPER)]
    records = [dg.TableRecord({"method": method, "AR@1000": value}) for method, value in paper_rows(paper)]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _history(past: Sequence[HistoryEntry]) -> dg.MetadataValue:
    """The latest evaluations, a row for each source."""
    names = ("time", "images", "masks", "made by", *_OF_HISTORY)
    records = [
        dg.TableRecord(dict(zip(names, _cells(entry, name, source), strict=True)))
        for entry in reversed(past[-_SHOWN:])
        for name, source in entry.sources.items()
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name, "string") for name in names]))


def _cells(entry: HistoryEntry, name: str, source: SourceEntry) -> list[str]:
    numbers = [_percent(source.numbers[number]) for number in _OF_HISTORY]
    return [f"{entry.time:%Y-%m-%d %H:%M}", str(entry.images), name, source.made_by, *numbers]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
