"""Every knob of promptable training, with SAM's and UnSAM's values and those that two cores can train."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from models.input_sides import nearest_side
from models.promptable_config import PromptableConfig
from ops.settings import LimitSettings, Section
from ops.training_settings import LoaderSettings, OptimiserSettings, RunSettings


class PromptSettings(Section):
    """How a user is simulated (spec 7.2 and 10.3)."""

    prompts: int = Field(60, ge=1, description="masks that are asked for in an image")
    boxes: float = Field(0.5, ge=0, le=1, description="share of prompts that begin with a box, the others with a click")
    first_click: Literal["inner", "uniform"] = Field(
        "inner",
        description="inside a circle about the innermost point (UnSAM's paper), or anywhere (SAM, UnSAM's code)",
    )
    inner_radius: float = Field(0.1, gt=0, description="of that circle, times the smaller side of the mask's box")
    box_noise: float = Field(0.1, ge=0, description="standard deviation of a box's corners, times its side")
    most_box_noise: float = Field(20, ge=0, description="pixels of the crop that a corner moves at most")
    granularity: float = Field(0.5, ge=0, le=1, description="share of the clicks that come with a granularity")
    text: float = Field(0.0, ge=0, le=1, description="share of the clicks that give way to CLIP's view of the mask")
    clicks: int = Field(8, ge=0, description="further clicks, each in the error region of the answer before")
    repeats: int = Field(2, ge=0, le=2, description="rounds with the answer before and no new click: last, and within")


class PromptLossSettings(Section):
    """What an answer costs (spec 7.3 and 10.3)."""

    matching: Literal["many", "min"] = Field(
        "many", description="a click's outputs share out all masks that contain it, or the best answers for its own"
    )
    targets: Literal["spread", "best", "random"] = Field(
        "spread",
        description="which masks, where more contain a click than there are outputs: the best of each size, the best, "
        "or any (UnSAM's code)",
    )
    focal_weight: float = 20.0
    dice_weight: float = 1.0
    score_weight: float = 1.0
    single_weight: float = Field(1.0, description="of the mask for a clear prompt, against those for a click")
    focal_gamma: float = 2.0
    focal_alpha: float = 0.25
    score_of: Literal["asked", "any", "matched"] = Field(
        "asked",
        description="what a candidate's score tells: its IoU with the mask that the click was drawn for (SAM), with "
        "the best of all that it may mean, or with the one it was matched to (UnSAM; outputs without one learn none)",
    )


class PromptableSettings(RunSettings):
    """One training run of the promptable model."""

    model: PromptableConfig = PromptableConfig()
    prompting: PromptSettings = PromptSettings()
    loss: PromptLossSettings = PromptLossSettings()
    loader: LoaderSettings = LoaderSettings(size=1024, fit="long", max_masks=200)
    optimiser: OptimiserSettings = OptimiserSettings(learning_rate=1e-4, reference_batch=8, drops=(0.9, 0.95), clip=0.1)
    batch: int = Field(default=8, ge=1, description="images a step, over all workers")
    use_scale: float = Field(
        1.0, ge=0.5, le=4, description="side of the input in use, to that in training; a larger one finds finer masks"
    )
    weights: str | None = Field(None, description="of the backbone: a file or URL; empty takes the hub or the package")
    initial: str = Field(
        "", description="a promptable model to go on from: NAME@VERSION of a published one, or its .safetensors file"
    )
    clip: str = Field("", description="CLIP's weights for text prompts: a folder or a name on the hub")
    limits: LimitSettings = LimitSettings()

    @property
    def use_size(self) -> int:
        """Side of the model's input once it is trained."""
        return nearest_side(self.model.image_size * self.use_scale)

    @model_validator(mode="after")
    def _text_needs_clip(self) -> PromptableSettings:
        if self.prompting.text and not (self.clip and self.model.text_dim):
            raise ValueError("prompting.text needs clip (its weights) and model.text_dim (the width of its embeddings)")
        return self


_SMALL = PromptableSettings(
    model=PromptableConfig(backbone="augnet_resnet50", frozen_stages=5, image_size=256, dim=64, feedforward=512),
    prompting=PromptSettings(prompts=16, boxes=0.35, most_box_noise=5, clicks=1, repeats=0),
    loader=LoaderSettings(size=256, fit="long", max_masks=60, min_area=64, choice="best"),
    optimiser=OptimiserSettings(
        learning_rate=2e-3, reference_batch=2, warmup_steps=50, clip=1.0, ema_decay=0.998, drops=(0.7, 0.9)
    ),
    use_scale=1.5,
    batch=2,
    steps=4500,
    precision="float32",
    checkpoint_every=100,
)
_DEMO = _SMALL.model_copy(
    update={
        "model": PromptableConfig(backbone="augnet_resnet50", frozen_stages=5, image_size=224, dim=64, feedforward=256),
        "loader": LoaderSettings(size=224, fit="long", max_masks=60, min_area=64, choice="best"),
        "use_scale": 1.0,
        "steps": 80,
        "optimiser": _SMALL.optimiser.model_copy(update={"warmup_steps": 10, "ema_decay": None}),
        "checkpoint_every": 40,
        "log_every": 10,
    }
)
PROMPTABLE_PRESETS = {"paper": PromptableSettings(), "small": _SMALL, "demo": _DEMO}
