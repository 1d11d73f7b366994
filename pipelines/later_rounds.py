"""Leads a training that a schedule began through its later steps: predictions, the second round, its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipelines.jobs import predict_round1, predict_round2, train_round1, train_round2
from pipelines.rounds import STEPS_OF_ROUNDS

ROUNDS_TAG = "unsam/rounds"
_LIMIT = 5000


@dataclass(frozen=True)
class Training:
    """A scheduled training.

    Attributes:
        name: which all its runs carry as a tag.
        config: of the resource `learning`, with the shards that it is about.
    """

    name: str
    config: Mapping[str, Any]

    def request(self, job: str, shard: str | None = None) -> dg.RunRequest:
        """A run of one step; the same step is never asked for twice."""
        return dg.RunRequest(
            run_key=f"{self.name}:{job}:{shard or ''}",
            job_name=job,
            partition_key=shard,
            run_config={"resources": {"learning": {"config": dict(self.config)}}},
            tags={ROUNDS_TAG: self.name},
        )


def later_rounds_sensor() -> dg.SensorDefinition:
    """Does nothing until a schedule began a training; keeps nothing in mind, the runs say where it stands."""

    @dg.sensor(
        name="later_rounds",
        jobs=[predict_round1, train_round2, predict_round2],
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After a scheduled training: predictions of each shard, the second round, its predictions.",
    )
    def later_rounds(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        training = latest_training(context.instance)
        if training is None:
            return dg.SkipReason("no schedule has begun a training")
        return next_step(context.instance, training)

    return later_rounds


def latest_training(instance: dg.DagsterInstance) -> Training | None:
    """The training that a schedule began last."""
    runs = instance.get_runs(dg.RunsFilter(job_name=train_round1.name), limit=20)
    for run in runs:
        if ROUNDS_TAG in run.tags:
            resources: Any = run.run_config["resources"]
            return Training(run.tags[ROUNDS_TAG], resources["learning"]["config"])
    return None


def next_step(instance: dg.DagsterInstance, training: Training) -> list[dg.RunRequest] | dg.SkipReason:
    """The runs of the first step that was not asked for yet, when all before it have ended and some ended well."""
    for job, by_shard in STEPS_OF_ROUNDS:
        runs = instance.get_runs(dg.RunsFilter(job_name=job, tags={ROUNDS_TAG: training.name}), limit=_LIMIT)
        if not runs:
            shards = training.config["shards"] if by_shard else [None]
            return [training.request(job, shard) for shard in shards]
        if any(not run.is_finished for run in runs):
            return dg.SkipReason(f"{job} is under way")
        if not any(run.is_success for run in runs):
            return dg.SkipReason(f"{job} failed: the rounds after it would lack their input")
    return dg.SkipReason(f"the training of {training.name} is done")
