"""The demo's photos: all there without a network, copied as they are, each with its credit."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from ops import sample_photos
from ops.human_masks import read_human_masks
from ops.sample_photos import SAMPLE_PHOTOS, SamplePhoto, credit_of, write_sample_annotations, write_sample_photos
from stores.shards import discover


def test_every_photo_is_written_whole_and_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    paths = write_sample_photos(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "astronaut.png",
        "coffee.png",
        "chelsea.png",
        "rocket.jpg",
        "china.jpg",
        "flower.jpg",
    ]
    for path, photo in zip(paths, SAMPLE_PHOTOS, strict=True):
        assert path.read_bytes() == photo.path.read_bytes()
        with Image.open(path) as image:
            image.load()
            assert image.mode == "RGB"
            assert min(image.size) >= 300
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(path.name for path in paths)


def test_a_second_call_changes_nothing_and_repairs_a_cut_file(tmp_path: Path) -> None:
    paths = write_sample_photos(tmp_path)
    before = {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()) for path in paths}
    paths[3].write_bytes(paths[3].read_bytes()[:1000])
    assert write_sample_photos(tmp_path) == paths
    for place, path in enumerate(paths):
        assert hashlib.sha256(path.read_bytes()).digest() == before[path][1]
        assert (path.stat().st_mtime_ns == before[path][0]) == (place != 3)


def test_the_photos_of_scikit_learn_are_its_own(tmp_path: Path) -> None:
    for path in write_sample_photos(tmp_path)[4:]:
        with Image.open(path) as image:
            assert image.size[::-1] == load_sample_image(path.name).shape[:2]


@pytest.mark.parametrize(
    ("file_name", "author", "licence"),
    [
        ("astronaut.png", "NASA", "public domain"),
        ("coffee.png", "Rachel Michetti", "CC0"),
        ("chelsea.png", "Stéfan van der Walt", "CC0"),
        ("rocket.jpg", "SpaceX", "public domain"),
        ("some/folder/china.jpg", "danielbuechele", "CC BY 2.0"),
        ("flower.jpg", "vultilion", "CC BY 2.0"),
    ],
)
def test_credit_names_author_and_licence(file_name: str, author: str, licence: str) -> None:
    credit = credit_of(file_name)
    assert credit is not None
    assert author in credit
    assert credit.endswith(licence)


def test_other_photos_have_no_credit() -> None:
    assert credit_of("holiday.jpg") is None


@pytest.mark.parametrize(
    ("package", "file_name", "said"),
    [
        ("skimage", "no_such_photo.png", "does not ship no_such_photo.png"),
        ("no_such_package_here", "photo.png", "not installed"),
    ],
)
def test_a_photo_that_is_not_there_is_named(
    package: str, file_name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = SamplePhoto(file_name, package, "data", "t", "a", "CC0", "")
    monkeypatch.setattr(sample_photos, "SAMPLE_PHOTOS", (missing,))
    with pytest.raises(FileNotFoundError, match=said):
        write_sample_photos(tmp_path)


def test_every_photo_has_human_masks_of_its_size_beside_it(tmp_path: Path) -> None:
    photos = write_sample_photos(tmp_path)
    assert sorted(path.stem for path in write_sample_annotations(tmp_path)) == sorted(path.stem for path in photos)
    (source,) = discover(tmp_path)
    assert source.skipped == {}, "the JSON files belong to the photos"
    for photo in photos:
        with Image.open(photo) as image:
            masks = read_human_masks(source.open(), photo.name, image.size[::-1])
        assert 2 <= len(masks) <= 6
        assert (masks.areas() > 300).all()
