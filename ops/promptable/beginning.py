"""Where the training of a promptable model begins: with its backbone alone, or with a model that is there already."""

from __future__ import annotations

from dataclasses import asdict

from models.image_encoder import build_encoder_pyramid, load_encoder_weights
from models.promptable import PromptableModel, build_promptable
from models.promptable_config import PromptableConfig
from models.weights import WeightsUnavailable, state_hash
from ops.promptable.files import OFFICIAL, load_promptable_named
from ops.promptable.settings import PromptableSettings
from stores.home import Home

_FREE = ("image_size", "frozen_stages")  # no weight depends on them


def first_model(home: Home, settings: PromptableSettings) -> PromptableModel:
    """The model before its first step; its decoder is at random (seed torch first) unless `settings.initial` is set.

    Raises:
        WeightsUnavailable: the backbone's weights, or the model to go on from, cannot be had, or do not fit.
        NoVersion, IncompleteVersion: there is no such model to go on from.
    """
    if not settings.initial:
        return build_promptable(settings.model, settings.weights)
    model = PromptableModel(settings.model)
    model.load_state_dict(_initial(home, settings.initial, settings.model).state_dict())
    return model


def weights_at_first(home: Home, settings: PromptableSettings) -> dict[str, str]:
    """What a training begins with, for the model's provenance: a hash, under `backbone` or under `initial`.

    Raises:
        As `first_model`.
    """
    if settings.initial:
        return {"initial": state_hash(_initial(home, settings.initial, settings.model).state_dict())}
    pyramid = build_encoder_pyramid(settings.model.backbone)
    load_encoder_weights(pyramid, settings.model.backbone, settings.weights)
    return {"backbone": state_hash(pyramid.body.state_dict())}


def _initial(home: Home, name: str, wanted: PromptableConfig) -> PromptableModel:
    if name.startswith(OFFICIAL):
        raise WeightsUnavailable(f"training.initial={name}: SAM's own checkpoints can be used, but not trained further")
    if not name.endswith(".safetensors") and "@" not in name:
        current = home.versions_of(name).readable()
        raise WeightsUnavailable(
            f"training.initial={name}: name its version too, or each model would make the next one stale: "
            f"{name}@{current} is the current one"
        )
    model = load_promptable_named(home, name)
    given, asked = asdict(model.shape), asdict(wanted)
    unlike = [
        f"{key} is {given[key]}, not {asked[key]}" for key in asked if key not in _FREE and given[key] != asked[key]
    ]
    if unlike:
        raise WeightsUnavailable(
            f"training.initial={name} is of another shape than training.model: {', '.join(unlike)}"
        )
    return model
