"""From tags to class masks as a user calls it, on three small photos with masks in the store."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from ops.sepl.tag_stage import tags_of_shards
from pipelines.instance import add_partitions, open_instance
from stores.home import Home
from stores.label_map_store import open_labels
from stores.label_maps import write_label_map
from stores.location import Location
from stores.manifests import registered
from stores.tags import BadTags, Tags
from tests.labelled_shards import add_shard

RUN = {"batch": 2, "steps": 2, "checkpoint_every": 2, "log_every": 1, "precision": "float32"}
LOADER = {"size": 64, "workers": 1}
QUICK = {
    "classifier": {"stride": 32, "held_out": 0.0, "training": RUN | {"loader": LOADER}},
    "cams": {"size": 96, "scales": [1.0], "crf_size": 48},
    "semantic": {"stride": 32, "width": 8, "size": 96, "training": RUN | {"loader": LOADER}},
}
TAGS = "photo0.jpg,cup\nphoto1.jpg,cat\nelsewhere.jpg,cat\n"


@pytest.fixture
def home(tmp_path: Path, unsam) -> Home:
    """The home of `unsam` with one shard of three photos that have masks."""
    home = Home(str(tmp_path / "home"))
    shard = add_shard(home, tmp_path / "photos")
    with open_instance(home) as instance:
        add_partitions(instance, [shard])
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(QUICK))
    (tmp_path / "tags.csv").write_text(TAGS)
    return home


@pytest.mark.slow
def test_from_tags_to_scores(unsam, home: Home, tmp_path: Path) -> None:
    (shard,) = registered(home)
    given = unsam("tags", str(tmp_path / "tags.csv"), "--classes", "cup,cat")
    assert given.exit_code == 0, given.output
    assert "tags of 3 images" in given.output

    options = ("--preset", "demo", "--config", str(tmp_path / "quick.yaml"))
    done = unsam("classes", *options)
    assert done.exit_code == 0, done.output
    for line in ("images without tags", "tags without image", "mAP", "masks used"):
        assert line in done.output

    cams, repaired = open_labels(home, "cam_labels", shard), open_labels(home, "sepl_labels", shard)
    assert cams.keys == repaired.keys == ["photo0.jpg", "photo1.jpg"]
    assert set(np.unique(repaired.layer("photo1.jpg", "labels"))) <= {0, 2}
    assert open_labels(home, "semantic_labels", shard).keys == ["photo0.jpg", "photo1.jpg", "photo2.jpg"]

    for key in cams.keys:
        name = key.replace(".jpg", ".png")
        write_label_map(Location(str(tmp_path / "truth")) / name, cams.layer(key, "labels"))
    scored = unsam("evaluate-classes", str(tmp_path / "truth"), "--page", str(tmp_path / "page"))
    assert scored.exit_code == 0, scored.output
    assert "100.00" in scored.output
    assert "Ten worst" in (tmp_path / "page" / "index.html").read_text()
    assert (tmp_path / "page" / "best-00.jpg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("classes",), 2, "there are no tags; give some with: unsam tags FILE"),
        (("classes", "--shards", "nowhere"), 2, "not registered: nowhere"),
        (("classes", "--preset", "huge"), 2, "unknown preset 'huge' of classes; there are small, few, demo"),
        (("classes", "--set", "sepl=mine"), 2, "unknown SEPL preset 'mine'"),
        (("classes", "--set", "cams.methode=cam"), 2, "unknown knob 'methode' in section cams, did you mean 'method'"),
        (("tags", "nothing.csv"), 2, "nothing.csv"),
        (("tags", "tags.csv", "--classes", "whale"), 2, "names none of the classes whale"),
        (("evaluate-classes", "truth"), 2, "there are no tags"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(unsam, home: Home, arguments, code: int, message: str) -> None:
    result = unsam(*arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.split())


def test_tags_of_other_photos_are_refused(home: Home) -> None:
    with pytest.raises(BadTags, match="are the names the same"):
        tags_of_shards(home, Tags(("cat",), {"somebody.jpg": (1,)}), registered(home))
