"""stores/location.py over a folder, memory and S3."""

import errno
import os
import pickle
import time

import numpy as np
import pytest
import zarr

from stores.location import TEMPORARY_SUFFIX, Location, OutOfSpace, out_of_space_explained


@pytest.fixture
def place(place_url):
    return Location(place_url)


def test_bytes_come_back_and_are_replaced(place):
    file = place / "a/b c.bin"
    assert not file.exists()
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    file.write_bytes(b"first")
    file.write_bytes(b"second one")
    assert file.exists()
    assert file.read_bytes() == b"second one"
    assert file.read_bytes(1, 4) == b"eco"
    assert file.size() == 10
    with file.reading() as stream:
        stream.seek(7)
        assert stream.read() == b"one"


def test_listing(place):
    assert list(place.iterdir()) == []
    for name in ("b.txt", "a.txt", "sub/c.txt"):
        (place / name).write_bytes(b"x")
    assert [child.name for child in place.iterdir()] == ["a.txt", "b.txt", "sub"]
    assert [child.url for child in (place / "sub").iterdir()] == [f"{place}/sub/c.txt"]
    assert place.is_folder()
    assert not (place / "a.txt").is_folder()
    assert (place / "a.txt").parent == place
    (place / "d.txt").write_bytes(b"x")
    assert len(list(place.iterdir())) == 4


def test_delete_of_a_file_a_folder_and_of_nothing(place):
    for name in ("keep", "sub/a", "sub/b/c"):
        (place / name).write_bytes(b"x")
    (place / "sub").delete()
    assert [child.name for child in place.iterdir()] == ["keep"]
    (place / "keep").delete()
    (place / "keep").delete()
    assert list(place.iterdir()) == []


def test_modified_is_the_time_of_the_newest_file(place):
    assert place.modified() == 0.0
    (place / "sub/a").write_bytes(b"x")
    assert abs(place.modified() - time.time()) < 60
    assert abs((place / "sub/a").modified() - time.time()) < 60


def test_a_block_that_fails_leaves_the_old_content(place):
    file = place / "file"
    file.write_bytes(b"old")
    with pytest.raises(TypeError), file.writing() as stream:
        stream.writelines([b"half of the new", None])
    assert file.read_bytes() == b"old"
    assert [child.name for child in place.iterdir()] == ["file"]
    with file.writing() as stream:
        stream.write(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"


def test_zarr_group(place):
    group = zarr.create_group((place / "g.zarr").zarr_store())
    group.create_array("numbers", data=np.arange(1000), chunks=(100,))
    again = zarr.open_group((place / "g.zarr").zarr_store(read_only=True), mode="r")
    np.testing.assert_array_equal(again["numbers"][150:250], np.arange(150, 250))
    place.flush()


@pytest.mark.parametrize("name", ["", "/etc", "..", "a/../b", "../x"])
def test_names_that_lead_out_are_refused(place, name):
    with pytest.raises(ValueError, match="below"):
        place / name


def test_it_travels(place):
    (place / "x").write_bytes(b"1")
    assert (pickle.loads(pickle.dumps(place)) / "x").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/a/b/", "/a/b"),
        ("/a//b/../c", "/a/c"),
        ("file:///a/b", "/a/b"),
        ("~/x", os.path.expanduser("~/x")),
        ("x", os.path.abspath("x")),
        ("s3://bucket/key/", "s3://bucket/key"),
        ("memory://", "memory://"),
    ],
)
def test_one_spelling_for_one_place(given, url):
    location = Location(given)
    assert location.url == url
    assert location.is_local == url.startswith("/")
    if not location.is_local:
        with pytest.raises(ValueError, match="not a local path"):
            location.local_path  # noqa: B018


def test_storage_options_are_used(s3_server, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    options = {"key": "other", "secret": "other", "client_kwargs": {"endpoint_url": s3_server}}
    location = Location("s3://unsam-tests/with-options/file", options)
    location.write_bytes(b"1")
    assert location.parent.options == options
    assert [child.read_bytes() for child in location.parent.iterdir()] == [b"1"]


def test_unfinished_files_are_not_listed(tmp_path):
    (tmp_path / f".x.123{TEMPORARY_SUFFIX}").write_bytes(b"half")
    assert list(Location(str(tmp_path)).iterdir()) == []


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, OutOfSpace),
        (errno.EDQUOT, OutOfSpace),
        (errno.EFBIG, OutOfSpace),
        (errno.EACCES, PermissionError),
    ],
)
def test_a_full_disk_is_explained(number, expected):
    with pytest.raises(expected) as caught, out_of_space_explained("somewhere"), out_of_space_explained("inside"):
        raise OSError(number, os.strerror(number))
    assert caught.value.errno == number
    if expected is OutOfSpace:
        assert "no space to write inside" in str(caught.value)
        assert "run again" in str(caught.value)
