"""stores/versions.py and stores/home.py over a folder, memory and S3."""

import os
import pickle

import pytest

from stores.home import HOME_VARIABLE, Home
from stores.location import Location
from stores.versions import MARK, IncompleteVersion, NoVersion, Versions, version_of


@pytest.fixture
def versions(place_url):
    return Home(place_url).versions("masks", "ncut_masks", "photos-0000")


def write(versions: Versions, version: str, publish: bool = True) -> None:
    (versions.location(version) / "content.bin").write_bytes(version.encode())
    if publish:
        versions.publish(version, {"made": version}, content="content.bin")


def test_nothing_published(versions):
    assert versions.current() is None
    assert versions.all() == []
    assert versions.sweep(min_age=0) == []
    with pytest.raises(NoVersion, match="nothing is published"):
        versions.readable()


def test_publish_moves_the_pointer_and_keeps_the_older(versions):
    write(versions, "one")
    write(versions, "two")
    assert versions.current() == "two"
    assert versions.all() == ["one", "two"]
    assert versions.provenance() == {"made": "two"}
    assert versions.provenance("one") == {"made": "one"}
    assert versions.content().read_bytes() == b"two"
    assert versions.content("one").read_bytes() == b"one"
    again = pickle.loads(pickle.dumps(versions))
    assert again.current() == "two"


def test_what_is_not_complete_is_refused_and_does_not_disturb(versions):
    write(versions, "one")
    write(versions, "half", publish=False)
    assert versions.current() == "one"
    assert not versions.is_complete("half")
    for ask in (versions.readable, versions.provenance, versions.content, versions.rollback):
        with pytest.raises(IncompleteVersion, match="not finished"):
            ask("half")
        with pytest.raises(NoVersion, match="no version never"):
            ask("never")
    assert versions.current() == "one"


def test_a_pointer_to_a_version_that_lost_its_mark_is_refused(versions):
    write(versions, "one")
    (versions.location("one") / MARK).delete()
    with pytest.raises(IncompleteVersion):
        versions.readable()


def test_rollback(versions):
    write(versions, "one")
    write(versions, "two")
    versions.rollback("one")
    assert versions.current() == "one"
    assert versions.content().read_bytes() == b"one"
    assert versions.all() == ["one", "two"]


@pytest.mark.parametrize(
    ("keep", "current", "left"),
    [
        (0, "d", ["d"]),
        (1, "d", ["c", "d"]),
        (2, "d", ["b", "c", "d"]),
        (9, "d", ["a", "b", "c", "d"]),
        (0, "a", ["a"]),
        (1, "b", ["b", "d"]),
    ],
)
def test_sweep_keeps_the_current_and_the_newest(tmp_path, keep, current, left):
    versions = Versions(Location(str(tmp_path)))
    for name in "abcd":
        write(versions, name)
    write(versions, "half", publish=False)
    versions.rollback(current)
    swept = versions.sweep(keep=keep, min_age=0)
    assert versions.all() == left
    assert sorted(swept) == sorted({"a", "b", "c", "d", "half"} - set(left))
    assert versions.current() == current
    assert versions.content().read_bytes() == current.encode()


def test_sweep_spares_what_is_young(versions):
    for name in "abc":
        write(versions, name)
    write(versions, "half", publish=False)
    assert versions.sweep(keep=0, min_age=3600) == []
    assert set(versions.all()) == {"a", "b", "c", "half"}


def test_sweep_removes_litter_inside_a_complete_version(versions):
    write(versions, "one")
    (versions.location("one") / "parts/x.npz").write_bytes(b"left by a kill")
    assert versions.sweep(min_age=3600) == []
    assert versions.sweep(min_age=0) == ["one/parts"]
    assert versions.content().read_bytes() == b"one"
    assert versions.sweep(min_age=0) == []


def test_sweep_looks_at_age_by_the_newest_file(tmp_path):
    versions = Versions(Location(str(tmp_path)))
    write(versions, "current")
    for name in ("old", "resumed"):
        write(versions, name, publish=False)
        os.utime(tmp_path / name / "content.bin", (0, 0))
    (versions.location("resumed") / "parts/new").write_bytes(b"x")
    assert versions.sweep(min_age=60) == ["old"]


@pytest.mark.parametrize("name", ["", ".", "..", "CURRENT", "a/b", ".hidden", "a b", "x" * 129])
def test_names_that_are_no_folder_are_refused(tmp_path, name):
    versions = Versions(Location(str(tmp_path)))
    with pytest.raises(ValueError, match="not a version name"):
        versions.location(name)


def test_version_of_depends_on_the_content_only():
    one = version_of({"a": 1, "b": {"c": [1, 2.5, None], "d": "é"}})
    assert one == version_of({"b": {"d": "é", "c": (1, 2.5, None)}, "a": 1})
    assert one != version_of({"a": 1, "b": {"c": [1, 2.5, None], "d": "e"}})
    assert len(one) == 16
    assert int(one, 16) >= 0


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), (object(), TypeError), ({1, 2}, TypeError)])
def test_version_of_refuses_what_has_no_one_spelling(value, error):
    with pytest.raises(error):
        version_of({"a": value})


def test_home_lays_out_its_rooms():
    home = Home("memory://home")
    for kind in ("manifests", "features", "masks", "models", "reports"):
        assert getattr(home, kind).url == f"{home.location}/{kind}"
    assert home.versions("models", "round1_model").location_of_all.url == f"{home.location}/models/round1_model"
    assert home.versions("masks", "a", "s").location("v").url == f"{home.location}/masks/a/s/v"
    assert pickle.loads(pickle.dumps(home)).location == home.location
    with pytest.raises(ValueError, match="none of"):
        home.versions("pictures", "a")


@pytest.mark.parametrize(("value", "expected"), [("s3://bucket/home", "s3://bucket/home"), ("", None), (None, None)])
def test_home_from_environment(monkeypatch, tmp_path, value, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(HOME_VARIABLE, value)
    assert Home.from_environment().location.url == (expected or str(tmp_path / ".unsam"))


@pytest.mark.parametrize(
    ("written", "withdrawn", "current"),
    [
        (["one"], "one", None),
        (["one", "two", "three"], "three", "two"),
        (["one", "two"], "one", "two"),
    ],
)
def test_a_withdrawn_version_gives_way_to_the_newest_other(versions, written, withdrawn, current):
    for version in written:
        write(versions, version)
    write(versions, "half", publish=False)
    assert versions.withdraw(withdrawn) == current
    assert versions.current() == current
    assert versions.is_complete(withdrawn)
