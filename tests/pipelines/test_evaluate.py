"""`unsam evaluate` as a user calls it."""

import pytest
import yaml

from ops.datasets import DATASETS_VARIABLE
from ops.evaluation_photos import evaluation_home
from stores.home import Home
from stores.manifests import registered
from tests.ops.tiny_datasets import write_bsds500, write_coco
from tests.pipelines.conftest import SMALL


@pytest.fixture
def register(tmp_path):
    write_coco(tmp_path / "data")
    write_bsds500(tmp_path / "regions")
    entries = {
        "tiny": {"format": "coco", "images": "data/images", "annotations": "data/instances.json", "paper": "coco"},
        "regions": {"format": "bsds500", "images": "regions"},
        "lost": {"format": "bsds500", "images": "$NOWHERE/photos"},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"datasets": entries}, sort_keys=False))
    return "mine.yaml"


def test_a_table_for_each_dataset_and_a_reason_for_what_failed(unsam, register, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    result = unsam("evaluate", "--file", register, *SMALL)
    assert result.exit_code == 1
    assert "tiny: 2 images" in result.stdout
    assert "regions: 2 images" in result.stdout
    assert result.stdout.count("AR@1000") == 3, "once for each dataset and once for the paper's numbers"
    assert result.stdout.count("not measured here") == 1
    assert result.stderr.count("not trained yet: round1_model, unsam_model") == 2
    assert "lost failed: dataset lost: images is '$NOWHERE/photos', but the environment variable" in result.stderr


def test_the_register_of_the_environment_and_a_limit(unsam, register, tmp_path, monkeypatch):
    monkeypatch.setenv(DATASETS_VARIABLE, str(tmp_path / register))
    result = unsam("evaluate", "--datasets", "regions", "--limit", "1", *SMALL)
    assert result.exit_code == 0, result.stderr
    assert "regions: 1 images" in result.stdout
    assert "tiny" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--datasets", "tinny"), "unknown dataset 'tinny', did you mean 'tiny'? there are tiny, regions, lost"),
        (("--datasets", "tiny,voc"), "unknown dataset 'voc'"),
        (("--file", "gone.yaml"), "gone.yaml cannot be read"),
        (("--learning", "huge"), "unknown training preset 'huge'"),
        (("--set-learning", "prediction.nms=1"), "unknown knob 'nms'"),
        (("--preset", "huge"), "unknown preset 'huge'"),
    ],
)
def test_what_is_not_there_is_one_line(arguments, message, unsam, register):
    result = unsam("evaluate", "--file", register, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_gc_sweeps_what_was_computed_for_evaluations(unsam, register, tmp_path):
    assert unsam("evaluate", "--file", register, "--datasets", "tiny", "--limit", "1", *SMALL).exit_code == 0
    place = evaluation_home(Home(str(tmp_path / "home")), "tiny")
    (shard,) = registered(place)
    versions = place.versions_of("hierarchical_masks", shard)
    current = versions.current()
    (versions.location("abandoned") / "parts" / "one.npz").write_bytes(b"x")
    result = unsam("gc", "--min-age", "0")
    assert result.exit_code == 0, result.stderr
    assert "hierarchical_masks" in result.stderr
    assert versions.all() == [versions.current()] == [current]
