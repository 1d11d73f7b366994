"""stores/feature_store.py: half precision and int8 token grids."""

import pickle

import numpy as np
import pytest

from stores.feature_store import (
    FeatureShardReader,
    FeatureShardWriter,
    dequantise_int8,
    open_features,
    quantise_int8,
)
from stores.home import Home
from stores.shard_group import CorruptShard
from stores.versions import IncompleteVersion, NoVersion

GRIDS = {"a.jpg": (60, 60), "sub/a.jpg": (45, 60), "tiny.jpg": (1, 1)}
DIM = 32


def tokens_of(key: str) -> np.ndarray:
    random = np.random.default_rng(len(key))
    scale = 10 ** random.uniform(-2, 2, (*GRIDS[key], 1))
    return (random.standard_normal((*GRIDS[key], DIM)) * scale).astype(np.float32)


def versions_of(url: str):
    return Home(url).versions("features", "dino_features", "photos-0000")


def write(url: str, precision: str) -> FeatureShardReader:
    writer = FeatureShardWriter(versions_of(url), "v1", GRIDS, precision=precision)
    for key in reversed(GRIDS):
        writer.add(key, tokens_of(key))
    assert writer.done() == set(GRIDS)
    writer.finish({"backbone": "x"})
    return open_features(Home(url), "dino_features", "photos-0000")


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_tokens_come_back_within_their_precision(quick_url, precision):
    reader = write(quick_url, precision)
    assert reader.precision == precision
    assert reader.keys == list(reader) == list(GRIDS)
    assert len(reader) == 3
    assert "sub/a.jpg" in reader
    for key in GRIDS:
        tokens, expected = reader[key], tokens_of(key)
        assert tokens.shape == expected.shape
        assert tokens.dtype == np.float32
        top = np.abs(expected).max(axis=-1, keepdims=True)
        error = np.abs(tokens - expected)
        bound = np.abs(expected) * 2**-11 + 1e-7 if precision == "float16" else top / 127 * 0.501 + 1e-7
        assert (error <= bound).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader))["a.jpg"], reader["a.jpg"])
    reader.verify()


def test_int8_takes_half_the_bytes(tmp_path):
    sizes = {}
    for precision in ("float16", "int8"):
        write(str(tmp_path / precision), precision)
        folder = versions_of(str(tmp_path / precision)).content().local_path
        sizes[precision] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert sizes["int8"] < 0.6 * sizes["float16"]


def test_features_over_s3(s3_server):
    write("s3://unsam-tests/feature-home", "int8")


def test_resume_and_refusal_are_those_of_every_shard(tmp_path):
    versions = versions_of(str(tmp_path))
    with pytest.raises(NoVersion):
        FeatureShardReader(versions)
    writer = FeatureShardWriter(versions, "v1", GRIDS)
    writer.add("a.jpg", tokens_of("a.jpg"))
    with pytest.raises(IncompleteVersion, match="2 of 3 images are not done"):
        writer.finish({})
    with pytest.raises(IncompleteVersion):
        FeatureShardReader(versions, "v1")
    again = FeatureShardWriter(versions, "v1", GRIDS)
    assert again.done() == {"a.jpg"}
    again.finish({}, failed={"sub/a.jpg": "broken", "tiny.jpg": "broken"})
    assert FeatureShardReader(versions).keys == ["a.jpg"]
    assert FeatureShardReader(versions).failed == {"sub/a.jpg": "broken", "tiny.jpg": "broken"}


def test_a_lost_chunk_is_an_error(tmp_path):
    write(str(tmp_path), "float16")
    chunk = next((versions_of(str(tmp_path)).content().local_path / "tokens/c").rglob("0"))
    while chunk.is_dir():
        chunk /= "0"
    chunk.unlink()
    with pytest.raises(CorruptShard):
        FeatureShardReader(versions_of(str(tmp_path)))["a.jpg"]


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (np.zeros((3, 4), np.float32), "shape"),
        (np.zeros((0, 4, 8), np.float32), "shape"),
        (np.full((2, 2, 8), np.nan, np.float32), "not finite"),
        (np.full((2, 2, 8), 1e6, np.float32), "not finite in half precision"),
    ],
)
def test_tokens_that_cannot_be_kept_are_refused(tmp_path, tokens, problem):
    with pytest.raises(ValueError, match=problem):
        FeatureShardWriter(versions_of(str(tmp_path)), "v1", ["a"]).add("a", tokens)


def test_tokens_of_different_width_are_refused(tmp_path):
    writer = FeatureShardWriter(versions_of(str(tmp_path)), "v1", ["a", "b"])
    writer.add("a", np.zeros((2, 2, 8), np.float32))
    writer.add("b", np.zeros((2, 2, 9), np.float32))
    with pytest.raises(ValueError, match="9 channels"):
        writer.finish({})
    assert versions_of(str(tmp_path)).current() is None


def test_another_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="float16, int8"):
        FeatureShardWriter(versions_of(str(tmp_path)), "v1", ["a"], precision="float64")


@pytest.mark.parametrize("top", [6e4, 1.0, 1e-3, 3e-5])
def test_quantisation_error_is_at_most_half_a_step(top):
    tokens = np.random.default_rng(0).uniform(-top, top, (500, 64)).astype(np.float32)
    values, scales = quantise_int8(tokens)
    assert values.dtype == np.int8
    assert scales.dtype == np.float16
    steps = scales.astype(np.float64)[:, None]
    assert (np.abs(dequantise_int8(values, scales) - tokens) <= 0.5001 * steps).all()
    assert (np.abs(values).max(axis=1) >= 60).all()


def test_zero_and_vanishing_tokens_become_zeros():
    values, scales = quantise_int8(np.array([[0.0, 0.0], [1e-30, -1e-30]], np.float32))
    np.testing.assert_allclose(dequantise_int8(values, scales), 0, atol=1e-7)
