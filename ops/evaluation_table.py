"""Scores of several sources of masks side by side, and what was published for the dataset, set apart."""

from __future__ import annotations

from collections.abc import Mapping

from ops.evaluation import Numbers
from ops.markdown import markdown_table

FROM_THE_PAPER = "from the paper (DINO backbone, SA-1B training data): not measured here"
UNITS = "in %, ± standard error over images"
SHARES = {
    "AR@1": "AR@1",
    "AR@10": "AR@10",
    "AR@100": "AR@100",
    "AR@1000": "AR@1000",
    "AR_small": "AR small",
    "AR_medium": "AR medium",
    "AR_large": "AR large",
    "AP": "AP",
}


def score_rows(scores: Mapping[str, Numbers]) -> list[list[str]]:
    """A head and a row of cells for each source of `Scores.numbers()`; shares in %, ± one standard error."""
    head = ["masks", *SHARES.values(), "masks an image"]
    return [head, *([name, *_cells(numbers)] for name, numbers in scores.items())]


def paper_rows(paper: Mapping[str, float]) -> list[list[str]]:
    """A head and, for each method, its published AR@1000 in %."""
    return [["method", "AR@1000"], *([method, f"{value:.1f}"] for method, value in paper.items())]


def comparison_table(scores: Mapping[str, Numbers], paper: Mapping[str, float]) -> str:
    """Markdown: our rows, and the published ones of the same dataset in a table of their own beneath."""
    ours = f"{markdown_table(score_rows(scores))}\n\n{UNITS}"
    return f"{ours}\n\n**{FROM_THE_PAPER}**\n\n{markdown_table(paper_rows(paper))}" if paper else ours


def percent(value: float | None, error: float | None = None) -> str:
    """A share as a cell."""
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if error is None else f"{100 * value:.1f} ± {100 * error:.1f}"


def _cells(numbers: Numbers) -> list[str]:
    shares = [percent(numbers[name], numbers.get(f"{name}_error")) for name in SHARES]
    return [*shares, f"{numbers['masks_per_image']:.1f}"]
