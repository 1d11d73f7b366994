"""Settings of promptable models and of what they find by themselves, by preset; light to import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.automatic.settings import GENERATOR_PRESETS, GeneratorSettings
from ops.presets import SettingsError, changed, parse_override
from ops.promptable.settings import PROMPTABLE_PRESETS, PromptableSettings
from ops.settings import Section

DEFAULT_PROMPTABLE_PRESET = "small"
PROMPTABLE_MODELS = ("promptable_model", "promptable_plus_model")


class PromptableLearningSettings(Section):
    """Everything that decides what a promptable model is and what it finds by itself."""

    training: PromptableSettings = PromptableSettings()
    generator: GeneratorSettings = GeneratorSettings()

    @property
    def most_masks(self) -> int:
        """Masks that the generator can find in an image: every output of every click of every crop."""
        side = self.generator.points_per_side
        layers = range(self.generator.crop_n_layers + 1)
        scale = self.generator.crop_n_points_downscale_factor
        return sum(4**layer * max(1, side // scale**layer) ** 2 for layer in layers) * self.training.model.outputs


PROMPTABLE_LEARNING_PRESETS = {
    "paper": PromptableLearningSettings(training=PROMPTABLE_PRESETS["paper"], generator=GENERATOR_PRESETS["sam"]),
    "small": PromptableLearningSettings(training=PROMPTABLE_PRESETS["small"], generator=GENERATOR_PRESETS["small"]),
    "demo": PromptableLearningSettings(training=PROMPTABLE_PRESETS["demo"], generator=GENERATOR_PRESETS["demo"]),
}


@dataclass(frozen=True)
class Prompting:
    """What a run is asked to learn, or to find with what was learned.

    Attributes:
        settings: decide the models and masks.
        labels: the mask asset that `promptable_model` learns from.
        shards: to train on; empty takes every registered one.
        workers: that train together; 1 trains in the process of the run, more are those of a Ray cluster.
        force: compute again what is fresh.
    """

    settings: PromptableLearningSettings = field(
        default_factory=lambda: PROMPTABLE_LEARNING_PRESETS[DEFAULT_PROMPTABLE_PRESET]
    )
    labels: str = "hierarchical_masks"
    shards: tuple[str, ...] = ()
    workers: int = 1
    force: bool = False

    def forced_by(self, run_id: str) -> str | None:
        """What makes versions of a forced run new, and the same when the run tries a stage again."""
        return run_id if self.force else None


def resolve_prompting(
    preset: str = DEFAULT_PROMPTABLE_PRESET, values: Mapping[str, Any] | None = None, overrides: Iterable[str] = ()
) -> PromptableLearningSettings:
    """The settings of a preset, changed by values of a file, changed by overrides such as `training.steps=500`.

    Raises:
        SettingsError: an unknown preset or knob, or an impossible value.
    """
    if preset not in PROMPTABLE_LEARNING_PRESETS:
        raise SettingsError(f"unknown preset {preset!r}; there are {', '.join(PROMPTABLE_LEARNING_PRESETS)}")
    return changed(PROMPTABLE_LEARNING_PRESETS[preset], [values or {}, *map(parse_override, overrides)])
