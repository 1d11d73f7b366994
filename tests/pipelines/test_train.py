"""`unsam train` and `unsam segment` as a user calls them, on tiny settings."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from pipelines.instance import add_partitions, open_instance
from stores.home import Home
from stores.manifests import registered
from stores.sa1b import from_sa1b
from tests.labelled_shards import SIZE, TINY, add_shard


@pytest.fixture
def labelled(tmp_path, unsam) -> Home:
    """The home of `unsam` with one labelled shard."""
    home = Home(str(tmp_path / "home"))
    shard = add_shard(home, tmp_path / "photos")
    with open_instance(home) as instance:
        add_partitions(instance, [shard])
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return home


@pytest.mark.slow
def test_one_round_and_a_photo_segmented_with_its_model(unsam, labelled, tmp_path):
    trained = unsam("train", "--rounds", "1", "--preset", "demo", "--config", str(tmp_path / "tiny.yaml"))
    assert trained.exit_code == 0, trained.stderr
    assert "round1_model" in trained.stdout
    assert "round2_labels" in trained.stdout
    assert labelled.versions_of("unsam_model").current() is None

    photos = [str(tmp_path / "photos" / name) for name in ("photo0.jpg", "photo1.jpg")]
    out = tmp_path / "segmented"
    options = ("--model", "round1_model", "-o", str(out))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    result = unsam("segment", *photos, str(tmp_path / "broken.jpg"), *options)
    assert result.exit_code == 1
    assert "broken.jpg" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == ["photo0.jpg", "photo0.json", "photo1.jpg", "photo1.json"]
    masks = from_sa1b(json.loads((out / "photo1.json").read_bytes()))
    assert masks.size == SIZE[::-1]
    assert len(masks) > 0
    assert (np.diff(masks.score) <= 0).all()
    assert Image.open(out / "photo1.jpg").size == SIZE

    few = unsam("segment", photos[1], *options, "--max-masks", "1")
    assert few.exit_code == 0, few.stderr
    assert len(from_sa1b(json.loads((out / "photo1.json").read_bytes()))) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--shards", "nowhere-0000"), "not registered: nowhere-0000"),
        (("train", "--rounds", "3"), "rounds are 1 and 2, not 3"),
        (("train", "--preset", "huge"), "unknown training preset 'huge'; there are paper, small, grouping, demo"),
        (("train", "--set", "training.stepz=3"), "unknown knob 'stepz' in section training, did you mean 'steps'"),
        (("plus", "--source", "sam"), "plus.source: Input should be 'pseudo', 'round1' or 'round2'"),
        (("plus", "--shards", "nowhere-0000"), "not registered: nowhere-0000"),
        (("segment", "x.jpg"), "no model unsam_model is trained; train one with: unsam train"),
        (("segment", "x.jpg", "--model", "nothing.safetensors"), "not a whole-image model"),
        (("segment", "a/x.jpg", "b/x.png", "--model", "round1_model"), "no model round1_model is trained"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(unsam, labelled, arguments, message):
    result = unsam(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_training_without_any_shard(unsam):
    result = unsam("train")
    assert result.exit_code == 2
    assert "no shard is registered; begin with: unsam label FOLDER" in " ".join(result.stderr.split())


def test_a_shard_without_labels_is_named(unsam, labelled):
    (labelled.versions_of("hierarchical_masks", shard_of(labelled)).location_of_all / "CURRENT").delete()
    result = unsam("train", "--rounds", "1", "--preset", "demo")
    assert result.exit_code == 1
    assert f"{shard_of(labelled)}: has no hierarchical_masks" in " ".join(result.stderr.split())


def shard_of(home: Home) -> str:
    (shard,) = registered(home)
    return shard
