"""What the UI shows of an evaluation: the table, what was published, and numbers that it plots over runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ops.evaluation_history import HistoryEntry, SourceEntry
from ops.evaluation_table import FROM_THE_PAPER, comparison_table, paper_rows, percent

if TYPE_CHECKING:
    from ops.evaluation_stage import Evaluation

_SHOWN = 20
_OF_HISTORY = ("AR@100", "AR@1000")


def of_evaluation(result: "Evaluation", paper: Mapping[str, float], past: Sequence[HistoryEntry]) -> dict[str, Any]:
    """One number an entry, as `round1_AR@100`, in [0, 1], where there was something to find; tables for the eye."""
    scores = {name: source.scores.numbers() for name, source in result.sources.items()}
    plotted = {
        f"{name}_{number}": value
        for name, numbers in scores.items()
        for number, value in numbers.items()
        if number != "images" and value is not None
    }
    absent = {"models_missing": ", ".join(result.missing_models)} if result.missing_models else {}
    return {
        "table": dg.MetadataValue.md(comparison_table(scores, paper)),
        "scores": dg.MetadataValue.json(scores),
        "images": result.images,
        "seconds": round(result.seconds, 1),
        **absent,
        **plotted,
        **({"paper": _paper(paper)} if paper else {}),
        "history": _history(past),
    }


def _paper(paper: Mapping[str, float]) -> dg.MetadataValue:
    head, *rows = paper_rows(paper)
    columns = [dg.TableColumn(head[0], "string"), dg.TableColumn(head[1], "string", FROM_THE_PAPER)]
    records = [dg.TableRecord(dict(zip(head, row, strict=True))) for row in rows]
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
    numbers = [percent(source.numbers[number]) for number in _OF_HISTORY]
    return [f"{entry.time:%Y-%m-%d %H:%M}", str(entry.images), name, source.made_by, *numbers]
