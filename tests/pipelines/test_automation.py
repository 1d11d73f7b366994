"""Schedules, later rounds, freshness and the settings that switch them."""

from datetime import UTC, datetime

import dagster as dg
import pytest
import yaml

from assets.partitions import SHARDS
from ops.presets import SettingsError
from ops.settings import LabelSettings
from ops.stage_workers import weight_hash
from ops.staleness import LABEL_ASSETS
from pipelines.automation import SHIPPED, AutomationSettings, load_automation
from pipelines.backfills import LATER_ASSETS
from pipelines.definitions import defs
from pipelines.instance import add_partitions, open_instance
from pipelines.later_rounds import latest_training, next_step
from pipelines.lost_runs import runs_to_repeat
from pipelines.schedules import nightly_schedule, weekly_schedule
from stores.home import Home
from tests.label_chains import publish_chain, register_tars

SETTINGS = AutomationSettings.model_validate({"weekly": {"least_new_shards": 2}, "labels": {"preset": "default"}})
NIGHT = datetime(2026, 1, 5, 2, tzinfo=UTC)


@pytest.fixture
def home(environment, tmp_path) -> Home:
    """Four shards: fresh, of another recipe, without labels, and one that a run is at."""
    home = Home(str(tmp_path / "home"))
    shards = register_tars(home, 4)
    weights = weight_hash(LabelSettings())
    publish_chain(home, shards[0], weights=weights)
    publish_chain(home, shards[1], LabelSettings(recipe="paper"), weights=weights)
    return home


@pytest.fixture
def instance(home):
    with open_instance(home) as instance:
        add_partitions(instance, register_tars(home, 4))
        yield instance


def note_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, job: str = "label_shards", **tags: str) -> None:
    run = instance.create_run_for_job(defs.resolve_job_def(job), tags=tags, status=status)
    assert instance.get_run_by_id(run.run_id).status is status


def evaluate(schedule: dg.ScheduleDefinition, instance, home: Home):
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=NIGHT,
        resources={"home": home},
        repository_def=defs.get_repository_def(),
    )
    return schedule.evaluate_tick(context)


def test_everything_is_off_as_shipped():
    settings = load_automation(SHIPPED)
    assert settings == AutomationSettings(), "the file and the defaults in the code say the same"
    for schedule in (nightly_schedule(settings), weekly_schedule(settings)):
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    sensors = {sensor.name: sensor.default_status for sensor in defs.get_repository_def().sensor_defs}
    assert {name for name, status in sensors.items() if status is dg.DefaultSensorStatus.RUNNING} == {
        "failed_runs",
        "later_rounds",
        "lost_runs",
    }, "these start nothing that nobody had asked for"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nightly": {"cron": "every night"}}, "five fields"),
        ({"nightly": {"crons": "0 2 * * *"}}, "unknown knob 'crons'"),
        ({"labels": {"preset": "smal"}}, "did you mean 'small'"),
        ({"labels": {"settings": {"divide": {"max_mask": 3}}}}, "max_mask"),
        ({"learning": {"preset": "huge"}}, "unknown training preset 'huge'"),
        ({"new_shards": {"every_seconds": 1}}, "every_seconds"),
    ],
)
def test_settings_that_are_refused(tmp_path, values, message):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match=message):
        load_automation(tmp_path / "mine.yaml")


def test_the_cron_of_the_users_file(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text('{nightly: {running: true, cron: "30 3 * * 1", timezone: Europe/Berlin}}')
    monkeypatch.setenv("UNSAM_AUTOMATION", str(tmp_path / "mine.yaml"))
    schedule = nightly_schedule(load_automation())
    assert schedule.cron_schedule == "30 3 * * 1"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_the_night_asks_for_stale_shards_only_and_for_none_twice(home, instance):
    note_run(instance, dg.DagsterRunStatus.STARTED, **{"dagster/partition": "sa-000003-0000"})
    first = evaluate(nightly_schedule(SETTINGS), instance, home)
    assert [request.partition_key for request in first.run_requests] == ["sa-000001-0000", "sa-000002-0000"]
    again = evaluate(nightly_schedule(SETTINGS), instance, home)
    assert [request.run_key for request in again.run_requests] == [request.run_key for request in first.run_requests]


def test_a_night_with_nothing_to_do(home, instance):
    for shard in register_tars(home, 4):
        publish_chain(home, shard, weights=weight_hash(LabelSettings()))
    assert "all 4 shards are fresh" in evaluate(nightly_schedule(SETTINGS), instance, home).skip_message


def test_the_week_trains_when_enough_is_new_to_the_model(home, instance):
    two = evaluate(weekly_schedule(SETTINGS), instance, home)
    (request,) = two.run_requests
    assert request.run_config["resources"]["learning"]["config"]["shards"] == ["sa-000000-0000", "sa-000001-0000"]
    seen = {"labels": {"asset": "hierarchical_masks", "versions": {"sa-000000-0000": "v"}}}
    home.versions_of("round1_model").publish("model", seen)
    one = evaluate(weekly_schedule(SETTINGS), instance, home)
    assert "1 shards are new to the model; 2 are wanted" in one.skip_message


def test_a_scheduled_training_is_led_through_all_its_steps(home, instance):
    assert latest_training(instance) is None
    (request,) = evaluate(weekly_schedule(SETTINGS), instance, home).run_requests

    def run(request: dg.RunRequest, job: str, status: dg.DagsterRunStatus) -> None:
        instance.create_run_for_job(
            defs.resolve_job_def(job), run_config=request.run_config, tags=request.tags, status=status
        )

    run(request, "train_round1", dg.DagsterRunStatus.SUCCESS)
    training = latest_training(instance)
    keys = [request.run_key]
    for job, count in (("predict_round1", 2), ("train_round2", 1), ("predict_round2", 2)):
        requests = next_step(instance, training)
        assert [one.job_name for one in requests] == [job] * count
        keys += [one.run_key for one in requests]
        run(requests[0], job, dg.DagsterRunStatus.SUCCESS)
        if count == 2:
            run(requests[1], job, dg.DagsterRunStatus.FAILURE)
    assert "is done" in next_step(instance, training).skip_message
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("status", "message"),
    [(dg.DagsterRunStatus.STARTED, "train_round1 is under way"), (dg.DagsterRunStatus.FAILURE, "train_round1 failed")],
)
def test_later_rounds_wait_and_stop_with_the_first(home, instance, status, message):
    (request,) = evaluate(weekly_schedule(SETTINGS), instance, home).run_requests
    job = defs.resolve_job_def("train_round1")
    instance.create_run_for_job(job, run_config=request.run_config, tags=request.tags, status=status)
    assert message in next_step(instance, latest_training(instance)).skip_message


def test_labels_and_models_have_a_freshness_policy():
    days = {}
    for spec in defs.resolve_all_asset_specs():
        if spec.freshness_policy is not None:
            days[spec.key.path[-1]] = spec.freshness_policy.fail_window.to_timedelta().days
    assert days.items() >= {"hierarchical_masks": 8, "round2_labels": 8, "round1_model": 15, "unsam_model": 15}.items()
    assert days.items() >= {"auto_masks": 8, "promptable_model": 15, "sepl_labels": 8, "image_classifier": 15}.items()


def test_an_evaluation_follows_each_training(tmp_path, environment):
    """The condition itself, on an asset of the same make: asked for after a model was trained, and only once."""
    from assets.evaluation import AFTER_TRAINING

    @dg.asset
    def model() -> None: ...

    @dg.asset(
        deps=[model],
        partitions_def=dg.StaticPartitionsDefinition(["a", "b"]),
        automation_condition=AFTER_TRAINING,
    )
    def scores() -> None: ...

    small = dg.Definitions(assets=[model, scores])
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = None
        requested = []
        for train in (False, True, False, True):
            if train:
                dg.materialize([model], instance=instance)
            result = dg.evaluate_automation_conditions(defs=small, instance=instance, cursor=cursor)
            cursor = result.cursor
            requested.append(result.total_requested)
    assert requested == [0, 2, 0, 2]


def test_a_backfill_knows_every_asset_that_is_made_by_shards():
    partitioned = {spec.key.path[-1] for spec in defs.resolve_all_asset_specs() if spec.partitions_def == SHARDS}
    assert set(LABEL_ASSETS) | set(LATER_ASSETS) == partitioned


@pytest.mark.parametrize(
    ("tags", "asked"),
    [
        ({}, True),
        ({"unsam/attempt": "2"}, True),
        ({"unsam/attempt": "3"}, False),
        ({"dagster/failure_reason": "START_TIMEOUT"}, True),
        ({"dagster/failure_reason": "STEP_FAILURE"}, False),
        ({"unsam/process": "a.lock"}, False),
    ],
)
def test_a_lost_run_is_asked_for_again_and_no_other(home, instance, tags, asked):
    note_run(instance, dg.DagsterRunStatus.FAILURE, **{"dagster/partition": "sa-000002-0000", **tags})
    note_run(instance, dg.DagsterRunStatus.SUCCESS, **{"dagster/partition": "sa-000003-0000"})
    requests = list(runs_to_repeat(instance))
    assert [request.partition_key for request in requests] == ["sa-000002-0000"] * asked
    for request in requests:
        assert [key.path[-1] for key in request.asset_selection] == list(LABEL_ASSETS)
        assert request.tags["unsam/attempt"] == str(int(tags.get("unsam/attempt", "1")) + 1)
        assert request.run_key == next(iter(runs_to_repeat(instance))).run_key
