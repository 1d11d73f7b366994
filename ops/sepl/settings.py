"""Knobs of mask assignment and selection, and the presets; light to import.

`parts`, `cover`, `jury` and `pool` are ours, for masks at every granularity. `parts`: many small masks that surely lie
inside a class, and nothing of the activations that no mask confirms. `cover`: of each branch of the masks' tree those
that explain the class best, none within another (ops/sepl/cover.py). `jury`: covers of several kinds vote
(ops/sepl/jury.py). `pool`: each pixel takes the mean of what its masks hold (ops/sepl/pool.py). Their thresholds were
chosen on COCO's training photos (docs/classes.md).
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from ops.settings import Section

SeplPreset = Literal["paper", "code", "repair", "parts", "cover", "jury", "pool"]


class SeplSettings(Section):
    """How masks are given to classes and which of them are used (spec 9.2, 9.3).

    For a mask S and the pixels P_k of class k, Os = |S∩P_k| / |S| and Op = |S∩P_k| / |P_k|.
    """

    assignment: Literal["max_overlap", "first_pass"] = Field(
        "max_overlap", description="the class of largest |S∩P_k|, or the first in index order that passes the test"
    )
    rule: Literal["and", "or", "cover", "pool"] = Field(
        "and",
        description="whether both tests must pass, or one; cover: the best masks of which none contains another; "
        "pool: no mask is chosen, each pixel takes the mean of what its masks hold",
    )
    fallback: Literal["union", "uncovered", "if_empty"] = Field(
        "union",
        description="pixels of P_k that stay: all; those under no mask that is still free; all if no mask is chosen",
    )
    conflict: Literal["label", "mask", "later_class"] = Field(
        "label", description="what wins a pixel: its own label, the mask of larger Os then Op, or the later class"
    )
    mask_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="t1: Os must be larger; cover: price of a pixel; pool: least share of a class's largest value",
    )
    class_share: float = Field(0.85, ge=0, le=1, description="t2: Op must be larger; cover: cost of a mask")
    prices: tuple[float, ...] = Field(
        (), description="cover: one at each price of a pixel, in place of mask_share; they vote on each pixel"
    )
    budgets: tuple[int, ...] = Field((), description="prices: each with so many of the best masks; empty: with all")
    own_votes: float = Field(
        0.0, ge=0, description="prices: what the label map's own vote counts beside the covers'; pool: beside a mask's"
    )
    area_power: float = Field(0.0, ge=0, description="pool: a mask counts its area to the minus this")
    inclusive: bool = Field(False, description="Op may also be equal to t2")
    keep_ignored: bool = Field(True, description="255 stays where no mask covers it; else it becomes background")


SEPL_PRESETS: Final[dict[SeplPreset, SeplSettings]] = {
    "paper": SeplSettings(),
    "code": SeplSettings(
        assignment="first_pass",
        rule="or",
        fallback="uncovered",
        conflict="later_class",
        inclusive=True,
        keep_ignored=False,
    ),
    "repair": SeplSettings(rule="or", conflict="mask"),
    "parts": SeplSettings(fallback="if_empty", mask_share=0.7, class_share=0.05),
    "cover": SeplSettings(rule="cover", fallback="if_empty", conflict="mask", mask_share=0.3, class_share=0.02),
    "jury": SeplSettings(
        rule="cover",
        fallback="if_empty",
        conflict="mask",
        class_share=0.1,
        prices=(0.4, 0.5, 0.6),
        budgets=(30, 100, 300),
        own_votes=3.0,
    ),
    "pool": SeplSettings(rule="pool", mask_share=0.5, own_votes=1.0, area_power=0.25),
}
DEFAULT_SEPL_PRESET: Final = "paper"
