"""Scores of several sources of masks side by side, and what was published for the dataset, set apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ops.evaluation import Scores

FROM_THE_PAPER = "from the paper (DINO backbone, SA-1B training data): not measured here"
COLUMNS = (
    "masks",
    "AR@1",
    "AR@10",
    "AR@100",
    "AR@1000",
    "AR small",
    "AR medium",
    "AR large",
    "AP",
    "masks an image",
    "images",
)


def table_rows(scores: Mapping[str, Scores]) -> list[list[str]]:
    """A row of cells for each source, under `COLUMNS`; shares in %, ± one standard error over images."""
    return [[name, *_cells(score)] for name, score in scores.items()]


def paper_rows(paper: Mapping[str, float]) -> list[list[str]]:
    """Method and published AR@1000 in %, as cells."""
    return [[method, f"{value:.1f}"] for method, value in paper.items()]


def comparison_table(scores: Mapping[str, Scores], paper: Mapping[str, float]) -> str:
    """Markdown: our rows, and the published ones of the same dataset in a table of their own beneath."""
    ours = f"{_markdown(COLUMNS, table_rows(scores))}\n\nin %, ± standard error over images"
    if not paper:
        return ours
    return f"{ours}\n\n**{FROM_THE_PAPER}**\n\n{_markdown(('method', 'AR@1000'), paper_rows(paper))}"


def _cells(score: Scores) -> list[str]:
    recalls = [_percent(value, score.standard_error.get(limit)) for limit, value in score.recall.items()]
    sizes = [_percent(value) for value in score.recall_by_size.values()]
    return [*recalls, *sizes, _percent(score.precision), f"{score.masks_per_image:.1f}", f"{score.images}"]


def _percent(value: float, error: float | None = None) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:.1f}" if error is None else f"{100 * value:.1f} ± {100 * error:.1f}"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))
