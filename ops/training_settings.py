"""Every knob of training and of prediction, with the papers' values and those that two cores can train."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.grouping_config import GroupingConfig
from models.input_sides import MULTIPLE
from models.whole_image_config import WholeImageConfig
from ops.grouping.settings import BorderSettings, GroupingLossSettings, GroupingPrediction, QualitySettings
from ops.settings import Section

FREE_TO_CHANGE = ("checkpoint_every", "keep_checkpoints", "log_every", "max_skipped")  # do not decide the model


class LossSettings(Section):
    """Matching and losses (spec 4.1); costs and losses share their weights."""

    class_weight: float = 2.0
    mask_weight: float = 5.0
    dice_weight: float = 5.0
    no_object_weight: float = 0.1
    points: int = Field(default=12544, description="points a mask at which masks are compared")
    oversample: float = Field(default=3.0, ge=1, description="candidates a point")
    importance: float = Field(default=0.75, ge=0, le=1, description="share of the points where masks are least sure")
    drop_iou: float | None = Field(default=None, description="DropLoss: matches of no more overlap do not count")


class LoaderSettings(Section):
    """How a training sample is cut from a photo and its masks (spec 4.3)."""

    size: int = Field(default=1024, multiple_of=MULTIPLE, description="side of the square crop in pixels")
    fit: Literal["native", "short", "long"] = Field(
        default="native",
        description="side of the photo that is scaled to the crop's; native scales neither",
    )
    scales: tuple[float, float] = Field(default=(1.0, 1.0), description="random factor on top of `fit` (LSJ)")
    flip: bool = True
    max_masks: int = Field(default=200, ge=1, description="masks an image")
    choice: Literal["random", "best"] = Field(default="random", description="which masks, where there are more")
    min_area: int = Field(default=16, ge=1, description="smallest mask in pixels of the crop")
    workers: int = Field(default=2, ge=1, description="threads that prepare samples")
    prefetch: int = Field(default=4, ge=1, description="batches prepared ahead")


class OptimiserSettings(Section):
    """AdamW with the papers' schedule (spec 4.2)."""

    learning_rate: float = Field(default=5e-5, gt=0, description="for `reference_batch`; scaled linearly")
    reference_batch: int = 16
    backbone_factor: float = 0.1
    weight_decay: float = 0.05
    clip: float = Field(default=0.01, gt=0, description="largest norm of the whole gradient")
    warmup_steps: int = 0
    drops: tuple[float, ...] = Field(
        default=(0.889, 0.963), description="shares of the steps after which the rate drops"
    )
    drop_factor: float = 0.1
    ema_decay: float | None = Field(default=None, description="predict with a moving average of the weights")


class RunSettings(Section):
    """One run of the trainer, whatever learns."""

    loader: LoaderSettings = LoaderSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    batch: int = Field(default=16, ge=1, description="images a step, over all workers")
    steps: int = Field(default=200_000, ge=1)
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: int = Field(default=1000, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    log_every: int = Field(default=20, ge=1)
    max_skipped: int = Field(default=10, ge=1, description="steps in a row without a finite gradient before giving up")


class TrainingSettings(RunSettings):
    """One training run of a mask model."""

    learner: Literal["queries", "grouping"] = Field(
        default="queries", description="Mask2Former's queries (`model`, `loss`), or which pixels belong together"
    )
    model: WholeImageConfig = WholeImageConfig()
    loss: LossSettings = LossSettings()
    grouping: GroupingConfig = GroupingConfig()
    grouping_loss: GroupingLossSettings = GroupingLossSettings()
    borders: BorderSettings = Field(
        default=BorderSettings(), description="what a grouping model learns of where masks end"
    )
    quality: QualitySettings = Field(
        default=QualitySettings(), description="what a grouping model learns from human masks among its labels"
    )

    @property
    def held_out(self) -> float:
        """Share of the photos without human masks that only borders are learned from."""
        return self.borders.held_out if self.learner == "grouping" else 0.0

    @property
    def backbone(self) -> str:
        """Name of the backbone of what learns."""
        return self.grouping.backbone if self.learner == "grouping" else self.model.backbone


class PredictionSettings(Section):
    """Class-agnostic inference (spec 4.4)."""

    short_side: int = 1024
    long_side: int = 2048
    scales: tuple[float, ...] = Field(
        default=(1.0,), min_length=1, description="factors on both sides; masks of all of them are put together"
    )
    max_masks: int = Field(default=1000, ge=1)
    min_score: float = Field(default=0.0, ge=0, le=1, description="smallest score (class times mask) that is kept")
    nms_iou: float | None = Field(default=None, description="exact mask NMS; empty keeps all, as the papers do")
    min_area: int = Field(default=1, ge=1, description="smallest mask in pixels of the image")
    batch: int = Field(default=1, ge=1, description="images of equal shape a forward pass")
    grouping: GroupingPrediction = Field(
        default=GroupingPrediction(),
        description="how grouping models find masks; of the rest they heed max_masks, min_score and min_area",
    )


class SelfTrainingSettings(Section):
    """Which predictions become labels and which old labels stay (spec 5)."""

    score: float = Field(default=0.7, description="predictions above this become labels")
    score_of: Literal["class", "product"] = Field(default="class", description="confidence, or the whole score")
    drop_iou: float = Field(default=0.5, ge=0, le=1, description="old labels of a larger IoU with any go")


_SMALL = TrainingSettings(
    model=WholeImageConfig(
        backbone="augnet_resnet50",
        frozen_stages=2,
        queries=300,
        seed_stride=32,
        seed_levels=3,
        encoder_layers=2,
        decoder_layers=3,
        dim=256,
        feedforward=1024,
    ),
    loss=LossSettings(points=1536),
    loader=LoaderSettings(size=320, fit="short", scales=(1.0, 1.5), max_masks=120, choice="best"),
    optimiser=OptimiserSettings(learning_rate=1.2e-3, warmup_steps=100, ema_decay=0.998),
    batch=4,
    steps=6000,
    checkpoint_every=200,
)

_GROUPING = TrainingSettings(
    learner="grouping",
    loader=LoaderSettings(size=320, fit="long", scales=(1.4, 2.6), max_masks=300, choice="best"),
    optimiser=OptimiserSettings(
        learning_rate=2e-3, reference_batch=4, warmup_steps=50, clip=1.0, drops=(0.7, 0.9), ema_decay=0.995
    ),
    batch=4,
    steps=1600,
    checkpoint_every=200,
)

TRAINING_PRESETS = {"paper": TrainingSettings(), "small": _SMALL, "grouping": _GROUPING}
PREDICTION_PRESETS = {
    "paper": PredictionSettings(),
    "grouping": PredictionSettings(),
    "small": PredictionSettings(short_side=384, long_side=640, nms_iou=0.9),
}
