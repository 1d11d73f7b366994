"""What runs when something happens: new shards, a trained model, a failed run."""

from __future__ import annotations

import dagster as dg

from assets.partitions import EVALUATION, SHARDS
from pipelines.alerts import Alerts
from pipelines.automation import AutomationSettings
from pipelines.failures import PARTITION_TAG, reason_of
from pipelines.jobs import label_shards
from pipelines.later_rounds import later_rounds_sensor
from pipelines.lost_runs import lost_runs_sensor
from pipelines.watching import Memory, look
from stores.home import Home


def sensors(settings: AutomationSettings) -> list[dg.SensorDefinition]:
    """All sensors, on or off as the settings say."""
    return [
        new_shards_sensor(settings),
        later_rounds_sensor(),
        evaluation_sensor(settings),
        failed_runs_sensor(),
        lost_runs_sensor(),
    ]


def new_shards_sensor(settings: AutomationSettings) -> dg.SensorDefinition:
    """Watches what was added with `unsam add`; see `pipelines.watching`."""
    watching, config = settings.new_shards, _labelling(settings)

    @dg.sensor(
        name="new_shards",
        job=label_shards,
        minimum_interval_seconds=watching.every_seconds,
        default_status=_sensor_status(watching.running),
        description="New and changed shards of watched folders and bucket prefixes are labelled.",
    )
    def new_shards(context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]) -> dg.SensorResult:
        memory = Memory.model_validate_json(context.cursor) if context.cursor else Memory()
        found = look(home, memory, watching.settle_seconds, watching.budget_seconds)
        for problem in found.problems:
            context.log.warning(problem)
        context.log.info(
            f"{len(found.wanted)} shards wanted, {found.settling} files settling, {found.waiting} left to the next tick"
        )
        known = set(context.instance.get_dynamic_partitions(str(SHARDS.name)))
        new = [shard for shard in found.wanted if shard not in known]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{shard}:{stamp}", partition_key=shard, run_config=config)
                for shard, stamp in found.wanted.items()
            ],
            dynamic_partitions_requests=[SHARDS.build_add_request(new)] if new else [],
            cursor=found.memory.model_dump_json(),
        )

    return new_shards


def evaluation_sensor(settings: AutomationSettings) -> dg.SensorDefinition:
    """Evaluates on every dataset when a model was trained, by the condition that the asset declares."""
    return dg.AutomationConditionSensorDefinition(
        "evaluate_after_training",
        target=dg.AssetSelection.groups(EVALUATION),
        default_status=_sensor_status(settings.evaluation.running),
        description="Labels and models are scored on every dataset after a training.",
    )


def failed_runs_sensor() -> dg.SensorDefinition:
    """Tells of every failed run: in the log always, by Slack and e-mail where they are set up."""

    @dg.run_failure_sensor(
        name="failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="The reason of every failed run, in the log and, where they are set up, by Slack and e-mail.",
    )
    def failed_runs(context: dg.RunFailureSensorContext, alerts: dg.ResourceParam[Alerts]) -> None:
        run = context.dagster_run
        subject = run.tags.get(PARTITION_TAG, run.job_name)
        text = f"{subject}: {reason_of(context.instance, run)}"
        context.log.error(text)
        for problem in alerts.send(f"unsam: {subject} failed", f"{text}\nrun {run.run_id}"):
            context.log.warning(problem)

    return failed_runs


def _labelling(settings: AutomationSettings) -> dict[str, object]:
    return {"resources": {"labelling": {"config": settings.label_request.resource_config()}}}


def _sensor_status(running: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
