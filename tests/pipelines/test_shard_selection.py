import pytest

from pipelines.shard_selection import read_shard_file, select_shards

KNOWN = ["a-0000", "a-0001", "b-0000", "b-0001", "c..d-0000"]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["b-0000"], [2]),
        (["b-0001", "a-0000", "b-0001"], [0, 3]),
        (["a-0001…b-0001"], [1, 2, 3]),
        (["a-0000..a-0001"], [0, 1]),
        (["a-0000...b-0000", "b-0000..b-0001"], [0, 1, 2, 3]),
        (["c..d-0000"], [4]),
        (["a-0000..a-0000"], [0]),
        ([], []),
    ],
)
def test_names_and_ranges_in_the_registers_order(wanted, chosen):
    assert select_shards(KNOWN, wanted) == [KNOWN[index] for index in chosen]


@pytest.mark.parametrize(
    ("known", "wanted", "error", "message"),
    [
        ([], ["a"], LookupError, "begin with: unsam add"),
        (KNOWN, ["z-0000"], LookupError, "not registered: z-0000; there are a-0000"),
        (KNOWN, ["a-0000..z-0000"], LookupError, "not registered: z-0000"),
        (KNOWN, ["b-0000…a-0000"], ValueError, "ends before it begins"),
        (KNOWN, ["a-0000.."], LookupError, "not registered: a-0000.."),
    ],
)
def test_what_is_refused(known, wanted, error, message):
    with pytest.raises(error, match=message):
        select_shards(known, wanted)


def test_what_to_begin_with_is_the_commands_own():
    with pytest.raises(LookupError, match="begin with: unsam label FOLDER"):
        select_shards([], [], "unsam label FOLDER")


def test_a_file_of_shards(tmp_path):
    (tmp_path / "keys.txt").write_text("a-0000  # first\n\n# all of b:\nb-0000…b-0001\n")
    assert read_shard_file(tmp_path / "keys.txt") == ["a-0000", "b-0000…b-0001"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "names no shard"), (b"# nothing\n", "names no shard"), (b"\xff\xfe", "cannot be read")],
)
def test_files_that_name_nothing(tmp_path, content, message):
    (tmp_path / "keys.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_shard_file(tmp_path / "keys.txt")
    with pytest.raises(ValueError, match="cannot be read"):
        read_shard_file(tmp_path / "absent.txt")
