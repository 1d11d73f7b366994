"""What the sensor sees: new and changed files, once they have settled; and the sensor itself, tick by tick."""

import io
import tarfile
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image

from pipelines.automation import AutomationSettings
from pipelines.instance import SHARD_PARTITIONS, open_instance
from pipelines.sensors import new_shards_sensor
from pipelines.watching import Look, Memory, look
from stores.home import Home
from stores.location import Location
from stores.manifests import build_manifest, registered, source_of
from stores.watched import WatchedSource, watch
from tests.label_chains import publish_chain


def jpeg(colour: int, side: int = 16) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, side), (colour, 100, 50)).save(data, "JPEG")
    return data.getvalue()


def tar_of(images: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in images.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


TWO = tar_of({"a.jpg": jpeg(1), "b.jpg": jpeg(2)})


class Watcher:
    """A home that watches one source, looked at as time goes on."""

    def __init__(self, home: Home, source: Location, shard_size: int = 1000) -> None:
        self.home, self.source, self.memory, self.now = home, source, Memory(), 0.0
        watch(home, [WatchedSource(url=source.url, shard_size=shard_size)])

    def put(self, name: str, data: bytes) -> None:
        (self.source / name).write_bytes(data)

    def look(self, after: float = 0.0, budget: float = 60.0) -> Look:
        self.now += after
        found = look(self.home, self.memory, settle_seconds=30, budget_seconds=budget, now=self.now)
        self.memory = found.memory
        return found

    def settled(self) -> set[str]:
        """Shards that are wanted after a first look and one more, when all has settled."""
        first = self.look(after=1)
        assert not first.wanted
        return set(self.look(after=31).wanted)


@pytest.fixture(params=["local", "memory"])
def watcher(request, tmp_path) -> Watcher:
    source = str(tmp_path / "photos") if request.param == "local" else f"memory://{tmp_path.name}/photos"
    location = Location(source)
    (location / "notes.txt").write_bytes(b"bought milk")
    return Watcher(Home(str(tmp_path / "home")), location)


def test_a_tar_is_left_until_its_size_has_settled(watcher):
    watcher.put("one.tar", TWO[:700])
    assert watcher.look().settling == 1
    watcher.put("one.tar", TWO[:1500])
    assert watcher.look(after=29).settling == 1
    watcher.put("one.tar", TWO)
    assert watcher.look(after=29).settling == 1
    assert not registered(watcher.home)
    found = watcher.look(after=31)
    (shard,) = found.wanted
    assert [member.key for member in source_of(watcher.home, shard).members] == ["a.jpg", "b.jpg"]
    again = watcher.look(after=1000)
    assert not again.wanted
    assert not again.settling


def test_an_upload_that_stalled_and_went_on_later_loses_nothing(watcher):
    watcher.put("one.tar", TWO[: 512 + 512])
    (shard,) = watcher.settled() or {None}
    watcher.put("one.tar", TWO)
    wanted = watcher.settled()
    keys = {member.key for name in registered(watcher.home) for member in source_of(watcher.home, name).members}
    assert keys == {"a.jpg", "b.jpg"}
    assert wanted == set(registered(watcher.home))
    assert shard is None or shard in wanted


def test_a_tar_written_anew_keeps_its_shard_and_every_image_is_read_from_where_it_is_now(watcher):
    watcher.put("one.tar", TWO)
    (shard,) = watcher.settled()
    watcher.put("one.tar", tar_of({"0.jpg": jpeg(9, 200), "b.jpg": jpeg(2), "a.jpg": jpeg(7)}))
    wanted = watcher.settled()
    assert shard in wanted
    contents = {}
    for name in registered(watcher.home):
        source = source_of(watcher.home, name)
        assert not build_manifest(source).quarantined
        contents |= {member.key: source.open().read(member.key) for member in source.members}
    assert contents == {"0.jpg": jpeg(9, 200), "b.jpg": jpeg(2), "a.jpg": jpeg(7)}
    assert [member.key for member in source_of(watcher.home, shard).members] == ["a.jpg", "b.jpg"]


def test_photos_of_a_folder_new_changed_and_untouched(watcher):
    watcher = Watcher(watcher.home, watcher.source, shard_size=2)
    for number in range(3):
        watcher.put(f"photo{number}.jpg", jpeg(number))
    first, second = sorted(watcher.settled())
    watcher.put("photo2.jpg", jpeg(200, 32))
    assert watcher.settled() == {second}
    watcher.put("photo3.jpg", jpeg(3))
    (third,) = watcher.settled()
    assert third not in (first, second)
    assert [member.key for member in source_of(watcher.home, third).members] == ["photo3.jpg"]


def test_shards_that_have_labels_already_are_not_asked_for_again(watcher):
    watcher.put("one.tar", TWO)
    (shard,) = watcher.settled()
    publish_chain(watcher.home, shard)
    watcher.memory = Memory()
    assert watcher.settled() == set()
    watcher.put("one.tar", tar_of({"a.jpg": jpeg(5), "b.jpg": jpeg(2)}) + bytes(512))
    assert watcher.settled() == {shard}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.tar", b"no tar at all" * 100, "no plain tar"),
        ("evil.tar", tar_of({"../a.jpg": jpeg(1)}), "leads out of its folder"),
    ],
)
def test_one_bad_tar_does_not_hold_up_the_others(watcher, name, content, reason):
    watcher.put("good.tar", TWO)
    watcher.put(name, content)
    watcher.look()
    found = watcher.look(after=31)
    assert len(found.wanted) == 1
    assert [reason in problem for problem in found.problems] == [True]
    assert watcher.look(after=31).problems == [], "said once, until the file changes"


def test_a_source_that_is_gone_is_told_and_the_others_are_looked_at(watcher):
    watcher.put("one.tar", TWO)
    watch(watcher.home, [WatchedSource(url="/nowhere/photos.tar")])
    watcher.look()
    found = watcher.look(after=31)
    assert len(found.wanted) == 1
    assert "/nowhere/photos.tar" in found.problems[0]


def test_a_look_that_runs_out_of_time_goes_on_at_the_next(watcher):
    for number in range(4):
        watcher.put(f"{number}.tar", tar_of({"a.jpg": jpeg(number)}))
    watcher.look()
    counts = [len(watcher.look(after=31, budget=1e-9).wanted) for _ in range(5)]
    assert counts == [1, 1, 1, 1, 0]


def test_the_sensor_adds_partitions_and_asks_for_runs_once(unsam, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.tar").write_bytes(TWO)
    assert unsam("add", tmp_path / "photos").exit_code == 0
    (tmp_path / "photos" / "two.tar").write_bytes(TWO)
    settings = AutomationSettings.model_validate({"new_shards": {"settle_seconds": 0}, "labels": {"preset": "small"}})
    sensor = new_shards_sensor(settings)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    home = Home(str(tmp_path / "home"))
    with open_instance(home) as instance:

        def tick(cursor: str | None) -> dg.SensorResult:
            with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": home}) as context:
                return sensor(context)

        first = tick(None)
        assert {request.partition_key for request in first.run_requests} == set(registered(home))
        (addition,) = first.dynamic_partitions_requests
        assert len(addition.partition_keys) == 1, "the other was added with the folder"
        assert set(addition.partition_keys).isdisjoint(instance.get_dynamic_partitions(SHARD_PARTITIONS))
        config = first.run_requests[0].run_config["resources"]["labelling"]["config"]
        assert config["preset"] == "small"
        again = tick(first.cursor)
        assert not again.run_requests
        (tmp_path / "photos" / "two.tar").write_bytes(tar_of({"a.jpg": jpeg(8)}))
        changed = tick(again.cursor)
        assert len(changed.run_requests) == 1
        assert changed.run_requests[0].run_key not in {request.run_key for request in first.run_requests}


def test_nothing_is_watched_that_was_given_as_a_single_photo(unsam, photos, tmp_path):
    assert unsam("add", photos / "photo00.jpg").exit_code == 0
    assert not (Path(tmp_path) / "home" / "manifests" / "watched").exists()
