"""Knobs of the grouping model's loss and of the masks that are made with it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ops.settings import Section


class GroupingLossSettings(Section):
    """What embeddings are compared at (`ops.grouping.losses`)."""

    pixels: int = Field(768, ge=2, description="random pixels of a photo, all pairs of which are compared")
    offsets: tuple[int, ...] = Field((1, 2, 4), description="cells of four pixels between near pixels")
    whole: float = Field(0.5, gt=0, description="what the photo itself counts, as a mask that holds every pixel")
    alike: float = Field(0.1, ge=0, description="weight of near pixels that no mask parts; others have up to 1 more")
    far_weight: float = 1.0
    near_weight: float = 1.0


class OddsSettings(Section):
    """How a small network of log-odds is fitted (`ops.grouping.odds_fitting`)."""

    axes: int = Field(24, ge=1, description="numbers kept of the backbone's coarsest map")
    hidden: int = Field(32, ge=1)
    steps: int = Field(500, ge=1)
    batch: int = Field(4096, ge=1)
    learning_rate: float = Field(5e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    restraint: float = Field(1e-3, ge=0, description="weight of the square of what is learned, in log-odds")


class LessonSettings(OddsSettings):
    """What is learned from some of the photos that have masks to learn it from."""

    photos: int = Field(100, ge=0, description="photos to learn from, at most, with human masks and without; 0: none")


class BorderSettings(LessonSettings):
    """How labels teach where masks end (`ops.grouping.borders`)."""

    masks: Literal["human", "all"] = Field(
        "human", description="which of the labels tell: human ones alone, or also those that nobody drew"
    )
    human_weight: float = Field(
        6.0, gt=0, description="what a border counts of which a human mask tells, against one of which only others do"
    )
    held_out: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="share of the photos without human masks, by key, that teach no embeddings, so that what these say "
        "there of a border is what they say of new photos; none where that would be too few to learn borders from",
    )
    borders: int = Field(4000, ge=1, description="borders of each view of a photo, at most")
    hidden: int = Field(64, ge=1)
    steps: int = Field(1500, ge=1)
    restraint: float = Field(0.0, ge=0, description="weight of the square of what is learned, in log-odds")


class QualitySettings(LessonSettings):
    """How labels with human masks teach what people draw (`ops.grouping.quality`)."""

    steps: int = Field(800, ge=1)
    batch: int = Field(8192, ge=1)
    weight_decay: float = Field(0.5, ge=0)
    restraint: float = Field(1e-2, ge=0, description="weight of the square of what is learned, in log-odds")


class View(Section):
    """One way to look at a photo."""

    side: int = Field(640, ge=64, description="longer side in pixels at which it is looked at")
    mirrored: bool = False
    feature_weight: float = Field(
        2.0, ge=0, description="what embeddings count in merging, against the recipe's features"
    )
    boundaries: Literal["multiscale", "sobel"] = Field("multiscale", description="what the superpixels follow")
    border_weight: float = Field(6.0, ge=0, description="what learned borders count in merging; 0 heeds none")
    border_score: float = Field(
        8.0, ge=0, description="log-odds that a region gains by learned borders all along its outline, beyond the usual"
    )
    smallest: float = Field(0.0002, gt=0, lt=1, description="least area of a tree's region, as a share of the image")
    small: float = Field(0.008, gt=0, le=1, description="share of the image below which a region's size is against it")
    smallness: float = Field(0.5, ge=0, description="log-odds that it loses for each time that it is e times smaller")
    largest_overlap: float = Field(0.9, gt=0, le=1, description="IoU above which the lower of two is left out")


_VIEWS = (
    View(),
    View(mirrored=True, boundaries="sobel"),
    View(side=448, boundaries="sobel"),
    View(side=1280),
)


class GroupingPrediction(Section):
    """How a photo's masks are agreed on (`ops.grouping.consensus`)."""

    views: tuple[View, ...] = Field(_VIEWS, min_length=1, description="ways to look at a photo")
    candidates: int = Field(2000, ge=1, description="of each view, the best")
    agreement_weight: float = Field(10.0, ge=0, description="log-odds that full agreement is worth over none")
    agreement_decay: float = Field(
        0.6, gt=0, le=1, description="what a view counts in the agreement, against one that agrees more"
    )
    shared_score: float = Field(
        0.5,
        ge=0,
        le=1,
        description="how much of a score is the mean of all views that have the mask, not its own view's",
    )
    largest_overlap: float = Field(0.9, gt=0, le=1, description="IoU above which the lower of two masks is left out")
    quality_weight: float = Field(
        1.0, ge=0, description="what a model that learned from human masks heeds of how they look, in log-odds"
    )
    crowding: float = Field(
        0.25, ge=0, description="log-odds that a mask loses to each better one, times their IoU squared"
    )
    repeated_overlap: float = Field(
        0.6, ge=0, lt=1, description="IoU with a better mask from which on one says the same again"
    )
    repetition: float = Field(
        2.0, ge=0, description="log-odds that a mask loses which nears `largest_overlap` with a better one"
    )
    least_vote: float = Field(0.5, gt=0, le=1, description="a view with a smaller IoU has no say in a mask's outline")
    majority: float = Field(0.4, gt=0, lt=1, description="share of the votes above which a pixel belongs to a mask")
    blur: float = Field(
        0.006,
        ge=0,
        le=0.1,
        description="side of the square over which votes are averaged, as a share of the longer side",
    )

    @model_validator(mode="after")
    def _overlaps_in_order(self) -> Self:
        if self.repeated_overlap >= self.largest_overlap:
            raise ValueError(
                f"repeated_overlap {self.repeated_overlap:g} must be below largest_overlap {self.largest_overlap:g}"
            )
        return self
