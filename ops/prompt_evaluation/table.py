"""Numbers of several promptable models side by side."""

from __future__ import annotations

from collections.abc import Mapping

from ops.evaluation import Numbers
from ops.markdown import markdown_table

_SHARES = {
    "best_score": "1 click, best score",
    "oracle": "1 click, oracle",
    "oracle_error": "its standard error",
    "teacher": "teacher: best of six labels",
    "single": "1 click, single output",
    "clicks_2": "2 clicks",
    "clicks_3": "3 clicks",
    "clicks_5": "5 clicks",
    "clicks_9": "9 clicks",
    "box": "box",
    "box_refined": "box, refined once",
    "text_joined": "text, all of a category",
    "text_nearest": "text, the nearest mask of it",
    "text_clicked": "text and a click, its largest mask",
    "ODS": "edges ODS",
    "OIS": "edges OIS",
    "AP": "edges AP",
    "R50": "edges R50",
    "AR@100": "proposals AR@100",
    "AR@1000": "proposals AR@1000",
}
_COUNTS = {
    "size_order": "rank correlation of granularity and area",
    "NoC@80": "clicks to 80 %",
    "NoC@90": "clicks to 90 %",
    "masks": "human masks",
    "texts": "categories asked for by name",
}


def rows(numbers: Mapping[str, Numbers]) -> list[list[str]]:
    """A head, and a row for each protocol that was run: mean IoU and the like in %, a column for each model."""
    names = [*_SHARES, *_COUNTS]
    used = [name for name in names if any(name in values for values in numbers.values())]
    return [["mean IoU in % or as named", *numbers]] + [
        [(_SHARES | _COUNTS)[name], *(_cell(values.get(name), name in _SHARES) for values in numbers.values())]
        for name in used
    ]


def comparison_table(numbers: Mapping[str, Numbers]) -> str:
    """`rows` as markdown."""
    return markdown_table(rows(numbers))


def _cell(value: float | None, share: bool) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if share else f"{value:.2f}"
