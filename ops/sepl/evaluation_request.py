"""What a run is asked to score label maps on; light to import."""

from __future__ import annotations

from dataclasses import dataclass

from ops.sepl.settings import DEFAULT_SEPL_PRESET


@dataclass(frozen=True)
class ClassEvaluationRequest:
    """True labels, and what is compared with them.

    Attributes:
        truth: COCO annotations, or a folder of label maps `NAME.png`; empty where nobody named any.
        shards: to score; empty takes every registered one.
        masks: assets or files to repair with.
        most_masks: the best so many of a photo; None takes all.
        shown: preset by which photos are ranked, with the first of `masks`.
        page: folder for a page with pictures; empty writes none.
    """

    truth: str = ""
    shards: tuple[str, ...] = ()
    masks: tuple[str, ...] = ("hierarchical_masks",)
    most_masks: int | None = None
    shown: str = DEFAULT_SEPL_PRESET
    page: str = ""
