"""`unsam evaluate` as a user calls it."""

import pytest
import yaml

from ops.datasets import DATASETS_VARIABLE
from ops.evaluation_photos import evaluation_home
from stores.home import Home
from stores.mask_store import MaskShardWriter
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


@pytest.mark.heavy
def test_a_table_for_each_dataset_and_a_reason_for_what_failed(unsam, register, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    result = unsam("evaluate", "--file", register, "--limit", "1", *SMALL)
    assert result.exit_code == 1
    assert "tiny: 1 images" in result.stdout
    assert "regions: 1 images" in result.stdout
    assert result.stdout.count("AR@1000") == 3, "once for each dataset and once for the paper's numbers"
    assert result.stdout.count("not measured here") == 1
    assert result.stderr.count("not trained yet: round1_model, unsam_model") == 2
    assert "lost failed: dataset lost: images is '$NOWHERE/photos', but the environment variable" in result.stderr


def test_the_register_of_the_environment(unsam, register, tmp_path, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.setenv(DATASETS_VARIABLE, str(tmp_path / register))
    result = unsam("evaluate", "--datasets", "lost")
    assert result.exit_code == 1
    assert "lost failed" in result.stderr
    assert "tiny" not in result.stdout + result.stderr


def test_a_source_that_is_not_there_is_named(unsam, register):
    result = unsam("evaluate", "--file", register, "--datasets", "tiny", "--sources", "round1,round3")
    assert result.exit_code == 1
    assert "tiny failed: round1 cannot be scored: round1_model is not trained yet" in result.stderr


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


def test_gc_sweeps_what_was_computed_for_evaluations(unsam, tmp_path):
    versions = evaluation_home(Home(str(tmp_path / "home")), "tiny").versions_of("hierarchical_masks", "images-0000")
    for version in ("oldest", "older", "current"):
        MaskShardWriter(versions, version, []).finish({})
    (versions.location("abandoned") / "parts" / "one.npz").write_bytes(b"x")
    result = unsam("gc", "--keep", "1", "--min-age", "0")
    assert result.exit_code == 0, result.stderr
    assert "oldest" in result.stderr
    assert versions.all() == ["older", "current"]
