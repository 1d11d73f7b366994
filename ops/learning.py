"""Settings of both rounds of training, by preset; light to import, so that the command line can read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from ops.grouping.settings import BorderSettings, QualitySettings
from ops.presets import SettingsError, changed, parse_override
from ops.settings import LimitSettings, Section
from ops.training_settings import (
    PREDICTION_PRESETS,
    TRAINING_PRESETS,
    PredictionSettings,
    SelfTrainingSettings,
    TrainingSettings,
)

DEFAULT_LEARNING_PRESET = "grouping"
SECOND_ROUND_MODEL = "unsam_model"
UNSAM_PLUS_MODEL = "unsam_plus_model"
HUMAN_ONLY_MODEL = "human_only_model"
PLUS_MODELS = (HUMAN_ONLY_MODEL, "union_model", UNSAM_PLUS_MODEL)


class SecondRoundSettings(Section):
    """What differs when the model of round 1 goes on with its own labels (spec 5)."""

    steps: int = Field(100_000, ge=1)
    learning_rate: float = Field(2.5e-5, gt=0, description="as `training.optimiser.learning_rate`")
    beside: bool = Field(
        False, description="learn a second head beside that of round 1, which stays (grouping models only)"
    )
    borders: Literal["human", "all"] = Field("human", description="as `training.borders.masks`")
    seed: int = Field(
        1, description="as `training.seed`; with round 1's, a second head would begin where the first did"
    )


# The mask asset that each value of `plus.source` names.
UNSUPERVISED: Final = {"pseudo": "hierarchical_masks", "round1": "round1_masks", "round2": "round2_labels"}


class PlusSettings(Section):
    """Human masks of a few images beside those that nobody drew (spec 6)."""

    fraction: float = Field(0.01, ge=0, le=1, description="share of the images whose human masks are used, by image id")
    tau: float = Field(0.02, ge=0, le=1, description="largest IoU with a human mask of an unsupervised one that stays")
    source: Literal["pseudo", "round1", "round2"] = Field("round2", description="of the unsupervised masks")
    initial: Literal["backbone", "round1", "unsam"] = Field(
        "backbone", description="what models of human and other masks go on from; that of human masks alone never does"
    )
    beside: bool = Field(
        False, description="learn one more head beside those of `initial`, which stay (grouping models only)"
    )
    masks: Literal["all", "human"] = Field(
        "all",
        description="which of its labels UnSAM+ learns from: human alone where `initial`, beside it, knows others",
    )
    borders: Literal["human", "all"] = Field(
        "human", description="as `training.borders.masks`; the model of human masks alone heeds no others"
    )
    steps: int | None = Field(None, ge=1, description="of the models that learn from human masks; empty as round 1")

    @model_validator(mode="after")
    def _has_what_it_stands_beside(self) -> PlusSettings:
        if self.initial == "backbone" and (self.beside or self.masks == "human"):
            raise ValueError(
                "initial=backbone has no head to stand beside, and human masks alone are no union: "
                "set beside=false and masks=all too"
            )
        return self


class LearningSettings(Section):
    """Everything that decides what the models are and what they predict."""

    training: TrainingSettings = TrainingSettings()
    second_round: SecondRoundSettings = SecondRoundSettings()
    prediction: PredictionSettings = PredictionSettings()
    self_training: SelfTrainingSettings = SelfTrainingSettings()
    plus: PlusSettings = PlusSettings()
    weights: str | None = Field(None, description="of the backbone: a file or URL; empty takes the hub or the package")
    limits: LimitSettings = LimitSettings()

    def beside(self, model: str) -> bool:
        """Whether the model asset of that name stands beside what it goes on from, instead of changing it."""
        return (self.second_round if model == SECOND_ROUND_MODEL else self.plus).beside

    def only_human(self, model: str) -> bool:
        """Whether the model asset of that name heeds only the human masks among its labels."""
        return model == UNSAM_PLUS_MODEL and self.plus.masks == "human"

    def training_of(self, model: str) -> TrainingSettings:
        """How the model asset of that name is trained."""
        base = self.training
        if model in PLUS_MODELS:
            borders = base.borders if model == HUMAN_ONLY_MODEL else self._borders(self.plus.borders)
            return base.model_copy(update={"steps": self.plus.steps or base.steps, "borders": borders})
        if model != SECOND_ROUND_MODEL:
            return base
        second = self.second_round
        changes = {
            "steps": second.steps,
            "optimiser": base.optimiser.model_copy(update={"learning_rate": second.learning_rate}),
            "borders": self._borders(second.borders),
            "seed": second.seed,
        }
        return base.model_copy(update=changes)

    def _borders(self, masks: str) -> BorderSettings:
        return self.training.borders.model_copy(update={"masks": masks})


@dataclass(frozen=True)
class Learning:
    """What a run is asked to learn.

    Attributes:
        settings: decide the models.
        shards: to train on; empty takes every registered one.
        workers: that train together; 1 trains in the process of the run, more are those of a Ray cluster.
        force: train again what is fresh.
    """

    settings: LearningSettings
    shards: tuple[str, ...] = ()
    workers: int = 1
    force: bool = False

    def forced_by(self, run_id: str) -> str | None:
        """What makes versions of a forced run new, and the same when the run tries a stage again."""
        return run_id if self.force else None


_BY_RANK = SelfTrainingSettings(score_of="product")  # views agree on most of a grouping model's masks, sure or not


def _demo() -> LearningSettings:
    grouping = TRAINING_PRESETS["grouping"]
    optimiser = grouping.optimiser.model_copy(update={"warmup_steps": 10, "ema_decay": None})
    training = grouping.model_copy(
        update={
            "optimiser": optimiser,
            "batch": 2,
            "steps": 80,
            "checkpoint_every": 40,
            "log_every": 10,
            "borders": BorderSettings(photos=0),  # two dozen human masks teach little, and it takes a minute
            "quality": QualitySettings(photos=0),
        }
    )
    prediction = PREDICTION_PRESETS["grouping"]
    quicker = prediction.grouping.model_copy(update={"views": prediction.grouping.views[:-1]})  # the largest takes half
    return LearningSettings(
        training=training,
        second_round=SecondRoundSettings(steps=30, learning_rate=1e-3),
        self_training=_BY_RANK,
        plus=PlusSettings(fraction=1.0, initial="unsam", steps=30),
        prediction=prediction.model_copy(update={"grouping": quicker}),
    )


LEARNING_PRESETS = {
    "paper": LearningSettings(training=TRAINING_PRESETS["paper"], prediction=PREDICTION_PRESETS["paper"]),
    "small": LearningSettings(
        training=TRAINING_PRESETS["small"],
        second_round=SecondRoundSettings(steps=3000, learning_rate=2e-4),
        plus=PlusSettings(fraction=1.0),
        prediction=PREDICTION_PRESETS["small"],
    ),
    "grouping": LearningSettings(
        training=TRAINING_PRESETS["grouping"],
        second_round=SecondRoundSettings(steps=1000, learning_rate=2e-3, beside=True, borders="all"),
        self_training=_BY_RANK,
        plus=PlusSettings(fraction=1.0, initial="round1", beside=True, masks="human", borders="all"),
        prediction=PREDICTION_PRESETS["grouping"],
    ),
    "demo": _demo(),
}


def resolve_learning(
    preset: str = DEFAULT_LEARNING_PRESET, values: Mapping[str, Any] | None = None, overrides: Iterable[str] = ()
) -> LearningSettings:
    """The settings of a preset, changed by values of a file, changed by overrides such as `training.steps=500`.

    Another crop in training changes the size of prediction alike, unless that is set too: a model finds little in
    photos that are much larger than those it learned from.

    Raises:
        SettingsError: an unknown preset or knob, or an impossible value.
    """
    if preset not in LEARNING_PRESETS:
        raise SettingsError(f"unknown training preset {preset!r}; there are {', '.join(LEARNING_PRESETS)}")
    shipped = LEARNING_PRESETS[preset]
    settings = changed(shipped, [values or {}, *map(parse_override, overrides)])
    sides = {"short_side": shipped.prediction.short_side, "long_side": shipped.prediction.long_side}
    if any(getattr(settings.prediction, name) != side for name, side in sides.items()):
        return settings
    ratio = settings.training.loader.size / shipped.training.loader.size
    prediction = settings.prediction.model_copy(update={name: round(side * ratio) for name, side in sides.items()})
    return settings.model_copy(update={"prediction": prediction})
