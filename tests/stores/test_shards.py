"""stores/shards.py, folders.py and tars.py: what people have on their disks."""

import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import pytest
from dagster import DynamicPartitionsDefinition

from stores.location import Location
from stores.shards import MissingMember, ShardSource, discover, shard_prefix
from stores.tars import UnsafeArchive
from tests.stores.samples import encoded, gradient

PHOTO = encoded(gradient(), "JPEG")


def fill(place: Location, *names: str) -> None:
    for name in names:
        (place / name).write_bytes(PHOTO + name.encode())


def keys_of(sources: list[ShardSource]) -> list[list[str]]:
    return [source.open().keys() for source in sources]


def make_tar(path: Path, members: dict[str, bytes], **headers: dict) -> Path:
    """A tar of files; `headers` sets attributes of a member's header, by name."""
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for attribute, value in headers.get(name, {}).items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_folder_is_read_recursively_and_split(place_url):
    place = Location(place_url)
    fill(place, "b.JPG", "a.png", "sub/a.png", "sub/deep/c.webp", "notes.txt", "README", ".hidden.jpg", ".git/x.jpg")
    sources = discover(place_url, shard_size=3)
    assert keys_of(sources) == [["a.png", "b.JPG", "sub/a.png"], ["sub/deep/c.webp"]]
    assert [source.kind for source in sources] == ["folder", "folder"]
    assert sources[0].skipped["not an image (.txt)"] == 1
    assert sources[0].skipped["not an image (no extension)"] == 1
    assert sources[0].skipped["hidden"] == 1
    assert sources[1].skipped == {}
    for source in sources:
        reader = pickle.loads(pickle.dumps(source.open()))
        for key in reader.keys():  # noqa: SIM118
            assert reader.read(key) == PHOTO + key.encode()
            assert reader.annotation(key) is None


def test_json_round_trip(tmp_path):
    fill(Location(str(tmp_path)), "a.jpg")
    [source] = discover(tmp_path)
    assert ShardSource.model_validate_json(source.model_dump_json()) == source


def test_adding_again_puts_only_new_images_into_new_shards(tmp_path):
    place = Location(str(tmp_path))
    fill(place, "b.jpg", "d.jpg", "f.jpg")
    first = discover(tmp_path, shard_size=2)
    fill(place, "a.jpg", "e.jpg", "sub/g.jpg")
    second = discover(tmp_path, shard_size=2, known=first)
    assert keys_of(first) == [["b.jpg", "d.jpg"], ["f.jpg"]]
    assert keys_of(second) == [["a.jpg", "e.jpg"], ["sub/g.jpg"]]
    assert len({source.shard for source in [*first, *second]}) == 4
    assert discover(tmp_path, known=[*first, *second]) == []
    assert discover(tmp_path / "sub", known=[*first, *second]) == []
    assert keys_of(discover(tmp_path, shard_size=9)) == [["a.jpg", "b.jpg", "d.jpg", "e.jpg", "f.jpg", "sub/g.jpg"]]


def test_shard_keys_are_stable_and_safe_as_partition_keys(tmp_path):
    names = ["photos", "Ferien, 2024 … (Köln)", "a/b/photos", "日本", "x" * 200, "tab\tand...dots|pipes"]
    keys = []
    for name in names:
        fill(Location(str(tmp_path)), f"{name}/1.jpg")
        [source] = discover(tmp_path / name)
        assert [source] == discover(f"{tmp_path}/{name}/")
        keys.append(source.shard)
    assert len(set(keys)) == len(names)
    assert keys[0].startswith("photos-")
    assert keys[1].startswith("ferien-2024-k-ln-")
    for key in keys:
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert len(key) < 64
    DynamicPartitionsDefinition(name="shard").build_add_request(keys)


def test_prefixes_of_equal_names_differ():
    assert shard_prefix("/a/photos") != shard_prefix("/b/photos")
    assert shard_prefix("s3://bucket/photos") == shard_prefix("s3://bucket/photos")


def test_links_to_folders_are_not_followed_links_to_files_are(tmp_path):
    fill(Location(str(tmp_path)), "photos/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "photos/circle").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/b.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    [source] = discover(tmp_path / "photos")
    assert source.open().keys() == ["a.jpg", "b.jpg"]
    assert source.skipped == {"link to a folder": 1}


def test_names_that_are_not_utf8_are_skipped_and_counted(tmp_path):
    fill(Location(str(tmp_path)), "a.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")).write_bytes(PHOTO)
    [source] = discover(tmp_path)
    assert source.open().keys() == ["a.jpg"]
    assert source.skipped == {"name is not UTF-8": 1}


def test_one_image_file_is_a_shard_of_its_folder(tmp_path):
    fill(Location(str(tmp_path)), "a.jpg", "b.jpg")
    first = discover(tmp_path / "b.jpg")
    assert keys_of(first) == [["b.jpg"]]
    assert keys_of(discover(tmp_path, known=first)) == [["a.jpg"]]


def test_an_image_that_is_gone_says_so(tmp_path):
    fill(Location(str(tmp_path)), "a.jpg")
    [source] = discover(tmp_path)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(MissingMember, match="no longer in"):
        source.open().read("a.jpg")
    with pytest.raises(KeyError, match="has no image"):
        source.open().read("b.jpg")


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("nothing", None, FileNotFoundError, "nothing at"),
        ("x.txt", b"words", ValueError, "neither a folder, nor a .tar"),
        ("x.tar.gz", b"\x1f\x8b", ValueError, "unpack it to a plain .tar"),
        ("x.tar", b"no tar at all" * 100, ValueError, "no plain tar"),
        ("x.tar", b"", ValueError, "no plain tar"),
        ("x.tar", b"\x1f\x8b" + bytes(2000), ValueError, "no plain tar"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path, name, content, error, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        discover(tmp_path / name)


def test_a_shard_holds_at_least_one_image(tmp_path):
    with pytest.raises(ValueError, match="shard_size is 0"):
        discover(tmp_path, shard_size=0)


def test_an_empty_folder_has_no_shards(tmp_path):
    assert discover(tmp_path) == []


MEMBERS = {"./a.jpg": PHOTO + b"1", "sub/a.jpg": PHOTO + b"22", "b.png": PHOTO + b"333", "notes.txt": b"words"}


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_tar_is_read_by_offset(tmp_path, kind, request):
    path = make_tar(tmp_path / "photos.tar", MEMBERS)
    url = str(path)
    if kind == "s3":
        request.getfixturevalue("s3_server")
        url = "s3://unsam-tests/tars/photos.tar"
        Location(url).write_bytes(path.read_bytes())
    sources = discover(url, shard_size=2)
    assert [source.kind for source in sources] == ["tar", "tar"]
    assert keys_of(sources) == [["a.jpg", "b.png"], ["sub/a.jpg"]]
    assert sources[0].skipped == {"not an image (.txt)": 1}
    assert sources[0].problems == ()
    reader = pickle.loads(pickle.dumps(sources[0].open()))
    assert reader.read("b.png") == PHOTO + b"333"
    assert reader.read("a.jpg") == PHOTO + b"1"
    assert sources[1].open().read("sub/a.jpg") == PHOTO + b"22"
    assert discover(url, known=sources) == []


def test_long_names_and_later_members_of_the_same_name(tmp_path):
    long = "/".join(["folder" * 10] * 4) + "/ünï.jpg"
    path = make_tar(tmp_path / "x.tar", {long: PHOTO, "a.jpg": b"old"})
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"new"))
    [source] = discover(path)
    assert source.open().read(long) == PHOTO
    assert source.open().read("a.jpg") == b"new"
    assert source.skipped == {"replaced by a later member of the same name": 1}


def test_a_folder_of_tars_and_photos(tmp_path):
    fill(Location(str(tmp_path)), "loose.jpg")
    make_tar(tmp_path / "one.tar", {"a.jpg": PHOTO})
    make_tar(tmp_path / "two.tar", {"a.jpg": PHOTO, "a.json": b"{}"})
    sources = discover(tmp_path)
    assert [(source.kind, source.open().keys()) for source in sources] == [
        ("folder", ["loose.jpg"]),
        ("tar", ["a.jpg"]),
        ("sa1b", ["a.jpg"]),
    ]
    assert discover(tmp_path, known=sources) == []


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "\\evil.jpg", "a/.."]
)
def test_a_tar_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    path = make_tar(tmp_path / "x.tar", {"good.jpg": PHOTO, name: PHOTO})
    with pytest.raises(UnsafeArchive, match="leads out of its folder") as caught:
        discover(path)
    assert repr(name) in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}, "link in a tar"),
        ({"type": tarfile.LNKTYPE, "linkname": "good.jpg", "size": 0}, "link in a tar"),
        ({"type": tarfile.FIFOTYPE, "size": 0}, "special member of a tar"),
        ({"type": tarfile.CHRTYPE, "size": 0}, "special member of a tar"),
    ],
)
def test_members_that_are_no_files_are_skipped_and_counted(tmp_path, header, reason):
    path = make_tar(tmp_path / "x.tar", {"good.jpg": PHOTO, "odd.jpg": b""}, **{"odd.jpg": header})
    [source] = discover(path)
    assert source.open().keys() == ["good.jpg"]
    assert source.skipped == {reason: 1}


def cut_points() -> list[tuple[str, int, list[str]]]:
    size = 512 + -(-len(PHOTO) // 512) * 512
    return [
        ("inside the data of the third", 2 * size + 700, ["0.jpg", "1.jpg"]),
        ("inside the header of the third", 2 * size + 100, ["0.jpg", "1.jpg"]),
        ("inside the padding of the second", 2 * size - 1, ["0.jpg", "1.jpg"]),
        ("between two members", 2 * size, ["0.jpg", "1.jpg"]),
        ("inside the data of the first", 600, []),
    ]


@pytest.mark.parametrize(("where", "length", "good"), cut_points(), ids=[point[0] for point in cut_points()])
def test_a_tar_cut_off_gives_its_good_members_and_says_so(tmp_path, where, length, good):
    path = make_tar(tmp_path / "x.tar", {f"{index}.jpg": PHOTO for index in range(4)})
    path.write_bytes(path.read_bytes()[:length])
    sources = discover(path)
    assert keys_of(sources) == ([good] if good else [])
    for source in sources:
        assert any("cut off" in problem for problem in source.problems)
        for key in good:
            assert source.open().read(key) == PHOTO


def test_a_damaged_header_in_the_middle_is_reported(tmp_path):
    path = make_tar(tmp_path / "x.tar", {f"{index}.jpg": PHOTO for index in range(4)})
    size = 512 + -(-len(PHOTO) // 512) * 512
    data = bytearray(path.read_bytes())
    data[2 * size : 2 * size + 512] = b"\x7f" * 512
    path.write_bytes(data)
    [source] = discover(path)
    assert source.open().keys() == ["0.jpg", "1.jpg"]
    assert len(source.problems) == 1


def test_a_tar_that_shrank_since_says_so(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"0.jpg": PHOTO, "1.jpg": PHOTO})
    [source] = discover(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MissingMember, match=r"ends inside 1\.jpg"):
        source.open().read("1.jpg")
    path.unlink()
    with pytest.raises(MissingMember):
        source.open().read("0.jpg")


def test_sa1b_pairs_images_with_their_json(tmp_path):
    document = {"image": {"image_id": 1}, "annotations": []}
    members = {
        "./sa_1.jpg": PHOTO,
        "./sa_1.json": json.dumps(document).encode(),
        "./sa_2.jpg": PHOTO,
        "./sa_3.json": b"{}",
        "./sa_4.json": b"not json",
        "./sa_4.jpg": PHOTO,
        "./sa_5.json": b"[1]",
        "./sa_5.jpg": PHOTO,
    }
    [source] = discover(make_tar(tmp_path / "sa_000000.tar", members))
    assert source.kind == "sa1b"
    reader = source.open()
    assert reader.keys() == ["sa_1.jpg", "sa_2.jpg", "sa_4.jpg", "sa_5.jpg"]
    assert reader.annotation("sa_1.jpg") == document
    assert reader.annotation("sa_2.jpg") is None
    assert source.skipped == {"json without its image": 1}
    assert source.problems == ("without their image: sa_3.json", "1 images have no json beside them")
    for key in ("sa_4.jpg", "sa_5.jpg"):
        with pytest.raises(ValueError, match=f"annotation of {key} .* is no JSON"):
            reader.annotation(key)


def test_json_beside_an_image_in_a_folder(tmp_path):
    fill(Location(str(tmp_path)), "sub/sa_1.jpg", "sa_1.jpg")
    (tmp_path / "sub/sa_1.json").write_text('{"a": 1}')
    [source] = discover(tmp_path)
    assert source.open().annotation("sub/sa_1.jpg") == {"a": 1}
    assert source.open().annotation("sa_1.jpg") is None
