"""`unsam backfill` and `unsam status`: what is asked of Dagster, and what they say."""

import dagster as dg
import pytest

from ops.settings import LabelSettings
from pipelines.backfills import progress_of
from pipelines.instance import open_instance
from pipelines.overview import failed_shards
from stores.home import Home
from stores.manifests import registered
from stores.mask_store import open_masks
from tests.label_chains import publish_chain, register_tars
from tests.pipelines.conftest import SMALL, save_photos


@pytest.fixture
def home(unsam, tmp_path) -> Home:
    """Five shards: two fresh, one of another recipe, two without labels."""
    home = Home(str(tmp_path / "home"))
    shards = register_tars(home, 5)
    for shard in shards[:2]:
        publish_chain(home, shard)
    publish_chain(home, shards[2], LabelSettings(recipe="paper"))
    return home


def asked_for(home: Home) -> list[tuple[set[str], set[str]]]:
    """Assets and shards of every backfill, the latest first."""
    with open_instance(home) as instance:
        found = []
        for backfill in instance.get_backfills():
            subset = backfill.asset_backfill_data.target_subset
            pairs = list(subset.iterate_asset_partitions())
            found.append(({pair.asset_key.path[-1] for pair in pairs}, {pair.partition_key for pair in pairs}))
        return found


def note_failure(home: Home, shard: str, message: str) -> None:
    """Record a run of a shard that failed."""
    with open_instance(home) as instance:
        run = instance.create_run_for_job(_nothing, tags={"dagster/partition": shard})
        instance.report_run_failed(run, message)


def note_success(home: Home, shard: str) -> None:
    """Record a run of a shard that ended well."""
    with open_instance(home) as instance:
        run = instance.create_run_for_job(
            _nothing, tags={"dagster/partition": shard}, status=dg.DagsterRunStatus.SUCCESS
        )
        assert instance.get_run_by_id(run.run_id).is_success


@dg.job
def _nothing():
    pass


LABELS = {"shard_manifest", "dino_features", "ncut_masks", "hierarchical_masks"}


@pytest.mark.parametrize(
    ("arguments", "assets", "numbers"),
    [
        ((), LABELS, {0, 1, 2, 3, 4}),
        (("--shards", "sa-000001-0000…sa-000003-0000"), LABELS, {1, 2, 3}),
        (("--shards", "sa-000001-0000,sa-000004-0000", "--select", "ncut_masks"), {"ncut_masks"}, {1, 4}),
        (("--select", "unsam_masks", "--shards", "sa-000000-0000"), {"unsam_masks"}, {0}),
        (("--file", "keys.txt"), LABELS, {0, 3, 4}),
        (("--failed",), LABELS, {3}),
    ],
)
def test_the_shards_that_dagster_is_asked_for(unsam, home, tmp_path, arguments, assets, numbers):
    (tmp_path / "keys.txt").write_text("sa-000000-0000\nsa-000003-0000..sa-000004-0000\n")
    note_failure(home, "sa-000003-0000", "the tar is cut off")
    note_failure(home, "sa-000001-0000", "failed once, fresh since")
    result = unsam("backfill", "--detach", *arguments)
    assert result.exit_code == 0, result.stderr
    assert asked_for(home) == [(assets, {f"sa-{number:06d}-0000" for number in numbers})]
    assert "no daemon runs: the backfill waits" in result.stderr


def test_only_what_is_stale_with_the_real_weights(unsam, home):
    """The weights of these chains are invented, so that all of them are stale; objects only ask for their settings."""
    result = unsam("backfill", "--detach", "--stale", "--shards", "sa-000000-0000..sa-000003-0000")
    assert result.exit_code == 0, result.stderr
    assert asked_for(home)[0][1] == {f"sa-{number:06d}-0000" for number in range(4)}
    nothing = unsam("backfill", "--detach", "--stale", "--select", "shard_manifest", "--shards", "sa-000000-0000")
    assert "nothing to do" in nothing.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shards", "nowhere"), "not registered: nowhere"),
        (("--select", "round1_model"), "no asset made by shards: round1_model"),
        (("--file", "absent.txt"), "absent.txt cannot be read"),
        (("--cancel", "nothing"), "there is no backfill nothing"),
        (("--preset", "huge"), "unknown preset 'huge'"),
    ],
)
def test_wrong_calls_end_with_one_line(unsam, home, arguments, message):
    result = unsam("backfill", "--detach", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert asked_for(home) == []


def test_a_cancelled_backfill(unsam, home):
    unsam("backfill", "--detach")
    with open_instance(home) as instance:
        name = instance.get_backfills()[0].backfill_id
        assert unsam("backfill", "--cancel", name).exit_code == 0
        seen = progress_of(instance, name)
    assert (seen.state, seen.total, seen.is_over) == ("CANCELING", 5, False)


def test_status_counts_shards_and_tells_reasons(unsam, home):
    empty = unsam("status")
    assert empty.exit_code == 0, empty.stderr
    assert "5 shards: 1 stale, 2 missing, 2 fresh" in empty.stdout
    note_failure(home, "sa-000003-0000", "the tar is cut off")
    unsam("backfill", "--detach")
    result = unsam("status")
    assert result.exit_code == 1
    assert "5 shards: 1 failed, 1 stale, 1 missing, 2 fresh" in result.stdout
    assert "stale: 1 shards, changed since: settings" in result.stdout
    assert "the tar is cut off" in result.stdout
    assert "requested" in result.stdout
    note_success(home, "sa-000003-0000")
    assert "failed" not in unsam("status").stdout.splitlines()[0], "a shard whose last run was well has not failed"


def test_status_without_shards(unsam):
    result = unsam("status")
    assert result.exit_code == 0
    assert "0 shards: none" in result.stdout


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_backfill_with_a_broken_shard_then_its_failures_only(unsam, tmp_path):
    for name in ("one", "two"):
        save_photos(tmp_path / name, 2)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"x")
    assert unsam("add", tmp_path / "one", tmp_path / "two", tmp_path / "bad").exit_code == 0
    first = unsam("backfill", *SMALL[:2])
    assert first.exit_code == 1, first.stdout
    assert "2 done, 1 failed" in first.stdout
    assert "check decodable of shard_manifest failed" in " ".join(first.stdout.split())
    home = Home(str(tmp_path / "home"))
    good = [shard for shard in registered(home) if not shard.startswith("bad")]
    assert all(len(open_masks(home, "hierarchical_masks", shard).keys) == 2 for shard in good)

    save_photos(tmp_path / "mended", 1)
    (tmp_path / "mended" / "photo00.jpg").replace(tmp_path / "bad" / "a.jpg")
    again = unsam("backfill", "--failed", *SMALL[:2])
    assert again.exit_code == 0, again.stdout
    assert "1 done, 0 failed" in again.stdout
    with open_instance(home) as instance:
        assert failed_shards(instance, {}) == {}
