"""PostgreSQL as instance storage, as deploy/dagster.yaml sets it up, with eight runs at once."""

import shutil

import dagster as dg
import pytest

from pipelines.instance import PROJECT, add_partitions, open_instance
from stores.home import Home
from stores.manifests import open_manifest, registered
from tests.pipelines.conftest import SMALL, save_photos
from tests.postgres import postgres_programs, postgres_server

pytestmark = pytest.mark.skipif(
    postgres_programs() is None, reason="no PostgreSQL here (Debian: apt install postgresql)"
)
AT_ONCE = 8


@pytest.fixture(scope="module")
def server():
    with postgres_server(postgres_programs()) as url:
        yield url


@pytest.fixture
def home(server, environment, tmp_path, monkeypatch, unsam) -> Home:
    """A home of eight shards whose runs and events lie in PostgreSQL."""
    monkeypatch.setenv("UNSAM_POSTGRES_URL", server)
    environment["UNSAM_POSTGRES_URL"] = server
    (tmp_path / "home" / "dagster").mkdir(parents=True)
    shutil.copy(PROJECT / "deploy" / "dagster.yaml", tmp_path / "home" / "dagster")
    folders = [tmp_path / f"photos{number}" for number in range(AT_ONCE)]
    for folder in folders:
        save_photos(folder, 1)
    result = unsam("add", *folders)
    assert result.exit_code == 0, result.stderr
    return Home(str(tmp_path / "home"))


def materialised(instance: dg.DagsterInstance, asset: str) -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey(asset))


def launch_of(instance: dg.DagsterInstance, run_id: str) -> float:
    """When the process of a run was asked for, in seconds since the epoch."""
    (record,) = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_STARTING).records
    return record.timestamp


def test_runs_and_events_lie_in_postgres(home, unsam):
    (shard, *_) = registered(home)
    done = unsam("run", "--select", "shard_manifest", "--shards", shard)
    assert done.exit_code == 0, done.stderr
    with open_instance(home) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        assert shard in materialised(instance, "shard_manifest")
    assert f"{AT_ONCE} shards: {AT_ONCE} missing" in unsam("status").stdout
    assert not list((tmp := home.location.local_path / "dagster").glob("**/*.db")), f"SQLite files in {tmp}"


@pytest.mark.heavy
def test_eight_runs_at_once_lose_nothing(home, start_unsam):
    shards = registered(home)
    started = [start_unsam("run", "--select", "shard_manifest", "--shards", shard) for shard in shards]
    for process in started:
        output, _ = process.communicate(timeout=280)
        assert process.returncode == 0, output
    with open_instance(home) as instance:
        assert materialised(instance, "shard_manifest") >= set(shards)
    assert all(open_manifest(home, shard).keys == ["photo00.jpg"] for shard in shards)


def test_thousands_of_partitions_are_added_in_batches(home):
    names = [f"many-{number:05d}" for number in range(2500)]
    with open_instance(home) as instance:
        add_partitions(instance, names)
        assert set(instance.get_dynamic_partitions("shard")) >= set(names)


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_a_backfill_of_many_runs_at_once_through_the_daemon(home, unsam):
    result = unsam("backfill", "--select", "shard_manifest", *SMALL[:2])
    assert result.exit_code == 0, result.stdout + result.stderr
    assert f"{AT_ONCE} done, 0 failed" in result.stdout
    with open_instance(home) as instance:
        assert materialised(instance, "shard_manifest") >= set(registered(home))
        records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]), limit=AT_ONCE)
        under_way = [(launch_of(instance, record.dagster_run.run_id), record.end_time) for record in records]
        most = max(sum(begun <= moment < ended for begun, ended in under_way) for moment, _ in under_way)
        assert most >= AT_ONCE // 2, f"{most} at once; the daemon launches one by one, and the first may end early"
