"""Settings of training and prediction, put together from a preset and what differs."""

import pytest

from ops.learning import LEARNING_PRESETS, PLUS_MODELS, resolve_learning
from ops.presets import SettingsError


@pytest.mark.parametrize(
    ("overrides", "short", "long"),
    [
        ([], 384, 640),
        (["training.steps=5"], 384, 640),
        (["training.loader.size=160"], 192, 320),
        (["training.loader.size=640"], 768, 1280),
        (["training.loader.size=160", "prediction.short_side=300"], 300, 640),
        (["prediction.long_side=700"], 384, 700),
    ],
)
def test_a_model_predicts_at_the_size_of_its_training(overrides: list[str], short: int, long: int) -> None:
    prediction = resolve_learning("small", overrides=overrides).prediction
    assert (prediction.short_side, prediction.long_side) == (short, long)
    assert prediction.nms_iou == LEARNING_PRESETS["small"].prediction.nms_iou


def test_presets_stay_as_they_are() -> None:
    before = {name: preset.model_dump() for name, preset in LEARNING_PRESETS.items()}
    resolve_learning("small", overrides=["training.loader.size=160"])
    assert {name: preset.model_dump() for name, preset in LEARNING_PRESETS.items()} == before


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown training preset 'smal'"):
        resolve_learning("smal")


def test_a_union_from_the_backbone_learns_from_all_masks() -> None:
    with pytest.raises(SettingsError, match="set beside=false and masks=all too"):
        resolve_learning("grouping", overrides=["plus.initial=backbone"])
    chosen = ["plus.initial=backbone", "plus.beside=false", "plus.masks=all"]
    assert not resolve_learning("grouping", overrides=chosen).only_human("unsam_plus_model")


def test_the_second_round_differs_in_what_it_says_and_in_nothing_else() -> None:
    chosen = ["second_round.steps=7", "second_round.learning_rate=0.5", "second_round.borders=all"]
    settings = resolve_learning("grouping", overrides=chosen)
    first, second = settings.training_of("round1_model").model_dump(), settings.training_of("unsam_model").model_dump()
    assert (second["steps"], second["optimiser"]["learning_rate"]) == (7, 0.5)
    assert (first["borders"]["masks"], second["borders"]["masks"]) == ("human", "all")
    assert first["seed"] != second["seed"], "or a second head would begin where the first did"
    for name in ("steps", "optimiser", "borders", "seed"):
        del first[name], second[name]
    assert first == second


def test_only_the_model_of_human_masks_alone_never_heeds_other_borders() -> None:
    settings = resolve_learning("grouping", overrides=["plus.borders=all"])
    told = {name: settings.training_of(name).borders.masks for name in PLUS_MODELS}
    assert told == {"human_only_model": "human", "union_model": "all", "unsam_plus_model": "all"}
