"""Knobs of the grouping model's loss and of the masks that are made with it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.settings import Section


class GroupingLossSettings(Section):
    """What embeddings are compared at (`ops.grouping.losses`)."""

    pixels: int = Field(768, ge=2, description="random pixels of a photo, all pairs of which are compared")
    offsets: tuple[int, ...] = Field((1, 2, 4), description="cells of four pixels between near pixels")
    whole: float = Field(0.5, gt=0, description="what the photo itself counts, as a mask that holds every pixel")
    alike: float = Field(0.1, ge=0, description="weight of near pixels that no mask parts; others have up to 1 more")
    far_weight: float = 1.0
    near_weight: float = 1.0


class View(Section):
    """One way to look at a photo."""

    features: Literal["backbone", "model"] = Field("model", description="the label recipe's own, or what was learned")
    side: int = Field(640, ge=64, description="longer side in pixels at which it is looked at")
    mirrored: bool = False
    feature_weight: float = Field(1.0, ge=0, description="what the features count in merging, against the recipe's")
    boundaries: Literal["multiscale", "sobel"] = Field("multiscale", description="what the superpixels follow")
    largest_overlap: float = Field(0.9, gt=0, le=1, description="IoU above which the lower of two is left out")


_VIEWS = (
    View(features="backbone"),
    View(feature_weight=2.0),
    View(feature_weight=2.0, mirrored=True, boundaries="sobel"),
)


class GroupingPrediction(Section):
    """How a photo's masks are agreed on (`ops.grouping.consensus`)."""

    views: tuple[View, ...] = Field(_VIEWS, min_length=1, description="ways to look at a photo")
    candidates: int = Field(1500, ge=1, description="of each view, the best")
    agreement_weight: float = Field(8.0, ge=0, description="log-odds that full agreement is worth over none")
    largest_overlap: float = Field(0.8, gt=0, le=1, description="IoU above which the lower of two masks is left out")
    demoting_overlap: float = Field(0.6, gt=0, le=1, description="IoU above which it ranks behind all that are apart")
    least_vote: float = Field(0.5, gt=0, le=1, description="a view with a smaller IoU has no say in a mask's outline")
