"""The register of datasets: what may stand in it, where its paths lead, and which images are taken."""

from pathlib import Path

import pytest
import yaml

from ops import datasets, ground_truth_formats
from ops.datasets import DATASETS_VARIABLE, SHIPPED, UnknownDataset, datasets_file, load_datasets, pick
from ops.ground_truth import DatasetError
from ops.presets import preset_names
from tests.ops.tiny_datasets import WRITERS

BSDS = {"format": "bsds500", "images": "photos"}
LAYOUT = {
    "coco": {"images": "images", "annotations": "instances.json"},
    "sa1b": {"images": "."},
    "ade20k": {"images": "images", "annotations": "annotations_instance"},
    "bsds500": {"images": "."},
}


def write(folder: Path, **entries: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"datasets": entries}, sort_keys=False))
    return path


def test_the_shipped_register_lists_the_papers_datasets():
    shipped = load_datasets(SHIPPED)
    assert set(shipped) == {"coco", "lvis", "ade20k", "entityseg", "sa1b", "partimagenet", "paco", "bsds500"}
    assert shipped["lvis"].paper["UnSAM, ResNet-50, 0.4M images"] == 40.5
    assert shipped["sa1b"].paper["UnSAM pseudo-masks, CascadePSP"] == 23.9
    averages = {
        method: sum(dataset.paper[method] for dataset in shipped.values() if dataset.paper) / 7
        for method in shipped["coco"].paper
    }
    assert averages["UnSAM, ResNet-50, 0.4M images"] == pytest.approx(41.1, abs=0.06)
    assert averages["SAM (supervised), ViT-B, 11M images"] == pytest.approx(42.1, abs=0.06)
    assert averages["CutLER, ResNet-50, 1.3M images"] == pytest.approx(21.8, abs=0.06)


def test_the_register_is_no_preset():
    assert "datasets" not in preset_names()


def test_formats_are_those_that_can_be_read():
    assert set(datasets.FORMATS) == set(ground_truth_formats.FORMATS)


def test_the_environment_names_the_register(tmp_path, monkeypatch):
    monkeypatch.delenv(DATASETS_VARIABLE, raising=False)
    assert datasets_file() == SHIPPED
    monkeypatch.setenv(DATASETS_VARIABLE, str(write(tmp_path, mine=BSDS)))
    assert list(load_datasets()) == ["mine"]


@pytest.mark.parametrize("name", datasets.FORMATS)
def test_paths_count_from_the_file(name, tmp_path):
    WRITERS[name](tmp_path / "data")
    entry = {key: f"data/{path}" for key, path in LAYOUT[name].items()}
    dataset = load_datasets(write(tmp_path, mine=entry | {"format": name}))["mine"]
    assert len(dataset.load().images) == 2


def test_paths_hold_home_and_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SOME_DATA", "data")
    WRITERS["bsds500"](tmp_path / "data" / "$ave")
    entry = BSDS | {"images": "~/${SOME_DATA}/$$ave"}
    assert load_datasets(write(tmp_path, mine=entry))["mine"].load().image_ids == [1, 2]


@pytest.mark.parametrize(
    ("limit", "asked", "expected"),
    [(None, None, [1, 2]), (1, None, [1]), (None, 1, [1]), (9, 9, [1, 2]), ("ids.txt", None, [2]), (1, 2, [1])],
)
def test_limits(limit, asked, expected, tmp_path):
    WRITERS["bsds500"](tmp_path / "photos")
    (tmp_path / "ids.txt").write_text("2\n")
    dataset = load_datasets(write(tmp_path, mine=BSDS | {"limit": limit}))["mine"]
    assert dataset.load(asked).image_ids == expected


def test_a_copy_of_a_shipped_dataset_has_its_published_numbers(tmp_path):
    mine = load_datasets(write(tmp_path, mine=BSDS | {"paper": "coco"}))["mine"]
    assert mine.paper == load_datasets(SHIPPED)["coco"].paper


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("mine", {"format": "voc", "images": "x"}, "'mine': format: there are the formats coco, .* got 'voc'"),
        ("mine", {"images": "x"}, "'mine': format: Field required"),
        ("mine", {"format": "coco"}, "images: Field required"),
        ("mine", {"format": "coco", "images": "x"}, "needs 'annotations'"),
        ("mine", BSDS | {"lmit": 3}, "lmit: Extra inputs"),
        ("mine", BSDS | {"limit": 0}, "at least 1 image"),
        ("mine", BSDS | {"paper": "cococo"}, "there is no 'cococo' among coco, lvis"),
        ("mine", BSDS | {"paper": {"SAM": "much"}}, "paper.SAM"),
        ("mine", "bsds500", "must have keys"),
        ("my set", BSDS, "'my set': name"),
        ("a...b", BSDS, "no two dots"),
        ("a/b", BSDS, "name"),
        ("", BSDS, "name"),
    ],
)
def test_a_wrong_entry_is_named(name, entry, message, tmp_path):
    with pytest.raises(DatasetError, match=message):
        load_datasets(write(tmp_path, **{name: entry}))


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot be read"), ("{", "is no YAML"), ("3", "must have 'datasets:'"), ("datasets:", "must have")],
)
def test_a_broken_register_is_named(text, message, tmp_path):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_datasets(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (BSDS, "dataset mine: there is no folder .*photos"),
        (BSDS | {"images": "$NOWHERE/photos"}, "environment variable NOWHERE is not set"),
        (BSDS | {"images": "10$"}, "dollar sign"),
        (BSDS | {"images": "good", "limit": "ids.txt"}, r"ids\.txt cannot be read"),
        (BSDS | {"images": "good", "limit": "others.txt"}, "not annotated: 3"),
    ],
)
def test_a_wrong_path_is_an_error_when_it_is_used(entry, message, tmp_path, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    WRITERS["bsds500"](tmp_path / "good")
    (tmp_path / "others.txt").write_text("1\n3\n")
    dataset = load_datasets(write(tmp_path, mine=entry))["mine"]
    with pytest.raises(DatasetError, match=message):
        dataset.load()


def test_unknown_names_are_answered_with_what_there_is(tmp_path):
    registered = load_datasets(write(tmp_path, mine=BSDS, yours=BSDS))
    assert [dataset.name for dataset in pick(registered, ["yours"])] == ["yours"]
    assert [dataset.name for dataset in pick(registered)] == ["mine", "yours"]
    with pytest.raises(UnknownDataset, match=r"'mime', did you mean 'mine'\? there are mine, yours"):
        pick(registered, ["mime"])
