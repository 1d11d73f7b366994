import pytest

from ops.presets import SettingsError, changed_values, load_settings, parse_override, preset_names, validated
from ops.settings import LabelSettings


@pytest.mark.parametrize("preset", ["default", "paper", "released", "small"])
def test_every_preset_is_valid(preset):
    assert preset in preset_names()
    assert isinstance(load_settings(preset), LabelSettings)


def test_the_default_preset_changes_nothing():
    assert load_settings() == LabelSettings()


def test_file_over_preset_and_override_over_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("divide: {max_masks: 7, min_area: 0.1}\n")
    settings = load_settings("small", file, ["divide.max_masks=9", "conquer.thetas=[0.5, 0.25]", "divide.tau=null"])
    assert settings.divide.max_masks == 9
    assert settings.divide.min_area == 0.1
    assert settings.backbone.size == 240
    assert settings.conquer.thetas == (0.5, 0.25)


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("divide.max_masks=5", {"divide": {"max_masks": 5}}),
        ("recipe=paper", {"recipe": "paper"}),
        ("backbone.weights=s3://bucket/a=b.safetensors", {"backbone": {"weights": "s3://bucket/a=b.safetensors"}}),
        ("divide.tau=", {"divide": {"tau": None}}),
    ],
)
def test_overrides(override, values):
    assert parse_override(override) == values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "smal"}, "unknown preset 'smal', did you mean 'small'"),
        ({"overrides": ["divide.max_mask=5"]}, "unknown knob 'max_mask' in section divide, did you mean 'max_masks'"),
        ({"overrides": ["dvide.max_masks=5"]}, "unknown knob 'dvide' in settings, did you mean 'divide'"),
        ({"overrides": ["divide.max_masks=many"]}, "divide.max_masks: .*valid integer.*got 'many'"),
        ({"overrides": ["divide.max_masks=0"]}, "divide.max_masks: .*greater than or equal to 1"),
        ({"overrides": ["recipe=papr"]}, "recipe: .*'papr'"),
        ({"overrides": ["divide=5"]}, "divide: .*"),
        ({"overrides": ["divide.max_masks"]}, "not of the form section.knob=value"),
        ({"overrides": ["divide.max_masks=["]}, "is no YAML"),
        ({"file": "nowhere.yaml"}, "nowhere.yaml cannot be read: No such file"),
    ],
)
def test_what_is_wrong_is_said(arguments, message):
    with pytest.raises(SettingsError, match=message):
        load_settings(**arguments)


@pytest.mark.parametrize(("text", "message"), [("- a\n- b\n", "must map sections"), ("a: [", "is no YAML")])
def test_files_that_are_no_settings(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_settings(file=tmp_path / "bad.yaml")


@pytest.mark.parametrize("preset", ["default", "paper", "released", "small"])
def test_settings_survive_the_way_through_a_run_configuration(preset):
    settings = load_settings(preset)
    assert validated(changed_values(settings), LabelSettings) == settings
