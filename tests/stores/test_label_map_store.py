"""Label maps of a shard: what is written is read, and a killed writer's images are kept."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stores.home import Home
from stores.label_map_store import LabelledImage, LabelShardReader, LabelShardWriter, open_labels
from stores.versions import NoVersion


def image(seed: int, size: tuple[int, int]) -> LabelledImage:
    generator = np.random.default_rng(seed)
    layers = {name: generator.integers(0, 256, size, dtype=np.uint8) for name in ("labels", "cam")}
    return LabelledImage(layers, {"chosen": seed})


IMAGES = {"a.jpg": image(3, (4, 9)), "b.jpg": image(5, (11, 2)), "empty.jpg": image(0, (1, 1))}


def writer(home: Home, keys: list[str]) -> LabelShardWriter:
    return LabelShardWriter(home.versions_of("cam_labels", "s"), "v1", keys, ("labels", "cam"), ("chosen",))


@pytest.fixture
def home(quick_url: str) -> Home:
    return Home(quick_url)


def test_round_trip_in_any_order(home: Home) -> None:
    shard = writer(home, [*IMAGES, "bad.jpg"])
    for key in reversed(IMAGES):
        shard.add(key, IMAGES[key])
    shard.finish({"code": "1"}, {"bad.jpg": "damaged"})
    reader: LabelShardReader = pickle.loads(pickle.dumps(open_labels(home, "cam_labels", "s")))
    assert reader.keys == list(IMAGES)
    assert reader.failed == {"bad.jpg": "damaged"}
    assert reader.counts("chosen").tolist() == [3, 5, 0]
    for key, expected in IMAGES.items():
        for name, layer in expected.layers.items():
            np.testing.assert_array_equal(reader.layer(key, name), layer)


def test_a_second_writer_goes_on(home: Home) -> None:
    writer(home, list(IMAGES)).add("a.jpg", IMAGES["a.jpg"])
    second = writer(home, list(IMAGES))
    assert second.done() == {"a.jpg"}
    with pytest.raises(NoVersion):
        open_labels(home, "cam_labels", "s")


@pytest.mark.parametrize(
    "wrong",
    [
        LabelledImage({"labels": np.zeros((2, 2), np.uint8)}, {"chosen": 1}),
        LabelledImage({"labels": np.zeros((2, 2), np.uint8), "cam": np.zeros((2, 3), np.uint8)}, {"chosen": 1}),
        LabelledImage({"labels": np.zeros((2, 2), int), "cam": np.zeros((2, 2), int)}, {"chosen": 1}),
        LabelledImage({"labels": np.zeros((2, 2), np.uint8), "cam": np.zeros((2, 2), np.uint8)}, {}),
    ],
)
def test_other_content_is_refused(tmp_path: Path, wrong: LabelledImage) -> None:
    with pytest.raises(ValueError, match=r"labels of a\.jpg"):
        writer(Home(tmp_path), ["a.jpg"]).add("a.jpg", wrong)


def test_threads_may_share_a_reader(tmp_path: Path) -> None:
    """More chunks than stay decoded, read by the loader's threads at once."""
    home = Home(str(tmp_path))
    images = {f"{number}.jpg": image(number, (1500, 1000)) for number in range(14)}
    shard = writer(home, list(images))
    for key, content in images.items():
        shard.add(key, content)
    shard.finish({}, {})
    reader = open_labels(home, "cam_labels", "s")

    def read(seed: int) -> bool:
        keys = np.random.default_rng(seed).choice(list(images), 40)
        return all(np.array_equal(reader.layer(key, "labels"), images[key].layers["labels"]) for key in keys)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(4)))
