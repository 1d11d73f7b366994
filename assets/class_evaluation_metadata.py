"""What the UI shows of an evaluation of class labels: numbers that it plots over runs, tables and pictures."""

from collections.abc import Sequence

import dagster as dg

from assets.metadata import Metadata
from ops.evaluation_history import HistoryEntry
from ops.markdown import markdown_table
from ops.pictures import as_markdown
from ops.sepl.evaluation import SCORE_HEAD, ClassEvaluation, score_rows, short_name
from ops.sepl.panels import Panels, extremes

_SIDE, _BYTES = 112, 250_000
_RUNS, _NAMED = 10, 50


def of_class_evaluation(result: ClassEvaluation, panels: Panels, past: Sequence[HistoryEntry]) -> Metadata:
    """One number a stage, as `mIoU_paper_hierarchical_masks`, in [0, 1]; tables and pictures for the eye."""
    scores = result.mean_ious()
    best, worst = extremes(result)
    return {
        "table": dg.MetadataValue.md(markdown_table([SCORE_HEAD, *score_rows(scores)])),
        "scores": dg.MetadataValue.json(scores),
        "images": len(result.images),
        "images_without_truth": len(result.missing),
        "without_truth": dg.MetadataValue.json(result.missing[:_NAMED]),
        **{_plotted(stage): value for stage, value in scores.items() if value == value},
        "by_class": dg.MetadataValue.md(_by_class(result)),
        "ranked_by": result.shown,
        "best": dg.MetadataValue.md(as_markdown(panels.sheet(best, _SIDE), "ten best by change in IoU", _BYTES)),
        "worst": dg.MetadataValue.md(as_markdown(panels.sheet(worst, _SIDE), "ten worst by change in IoU", _BYTES)),
        "history": dg.MetadataValue.md(_history(past)),
    }


def _plotted(stage: str) -> str:
    return "_".join(["mIoU", *short_name(stage).replace(",", "").split()])


def _by_class(result: ClassEvaluation) -> str:
    ious = [confusion.ious() for confusion in result.confusions.values()]
    rows = [
        (label, *("" if own[k] != own[k] else f"{100 * own[k]:.1f}" for own in ious))
        for k, label in enumerate(result.labels)
    ]
    return markdown_table([("IoU, %", *map(short_name, result.confusions)), *rows])


def _history(past: Sequence[HistoryEntry]) -> str:
    """The latest evaluations, a row each, under the stages of the last one."""
    stages = list(past[-1].sources)
    rows = [
        (f"{entry.time:%Y-%m-%d %H:%M}", str(entry.images), *(_percent(entry, stage) for stage in stages))
        for entry in reversed(past[-_RUNS:])
    ]
    return markdown_table([("time", "images", *map(short_name, stages)), *rows])


def _percent(entry: HistoryEntry, stage: str) -> str:
    value = entry.sources[stage].numbers["mIoU"] if stage in entry.sources else None
    return "" if value is None else f"{100 * value:.2f}"
