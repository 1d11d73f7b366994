"""What runs again when its time comes: stale labels every night, training every week."""

from __future__ import annotations

from typing import Any

import dagster as dg

from ops.staleness import LABEL_ASSETS, Freshness, label_states, stored_states
from pipelines.automation import AutomationSettings, Schedule
from pipelines.jobs import label_shards, train_round1
from pipelines.later_rounds import Training
from pipelines.overview import active_shards, stale_shards
from pipelines.recipe import current_recipe
from stores.home import Home
from stores.manifests import registered

_MODEL, _LABELS = "round1_model", "hierarchical_masks"


def schedules(settings: AutomationSettings) -> list[dg.ScheduleDefinition]:
    """Both schedules, on or off as the settings say."""
    return [nightly_schedule(settings), weekly_schedule(settings)]


def nightly_schedule(settings: AutomationSettings) -> dg.ScheduleDefinition:
    """Labels that are not what they would be now; shards that a run waits for or is at are left alone."""
    nightly, request = settings.nightly, settings.label_request
    config = {"resources": {"labelling": {"config": request.resource_config()}}}

    @dg.schedule(
        job=label_shards,
        name="nightly_labels",
        description="Labels whose code, settings, weights or files have changed, or that are missing.",
        **_when(nightly),
    )
    def nightly_labels(
        context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[Home]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        states = label_states(home, registered(home), current_recipe(request, with_weights=True))
        active = active_shards(context.instance)
        stale = [shard for shard in stale_shards(states, LABEL_ASSETS) if shard not in active]
        if not stale:
            return dg.SkipReason(f"all {len(states)} shards are fresh or under way")
        night = f"{context.scheduled_execution_time:%Y-%m-%d %H:%M}"
        return [
            dg.RunRequest(run_key=f"{shard}:{night}", partition_key=shard, run_config=config)
            for shard in stale[: nightly.most_shards]
        ]

    return nightly_labels


def weekly_schedule(settings: AutomationSettings) -> dg.ScheduleDefinition:
    """Training on all labelled shards, where enough of them are new to the model."""
    weekly, request = settings.weekly, settings.learning_request

    @dg.schedule(
        job=train_round1,
        name="weekly_training",
        description="Both rounds of training, when enough shards were labelled since the last.",
        **_when(weekly),
    )
    def weekly_training(
        context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[Home]
    ) -> dg.RunRequest | dg.SkipReason:
        shards = trainable_shards(home)
        new = set(shards) - trained_shards(home)
        if len(new) < weekly.least_new_shards:
            return dg.SkipReason(f"{len(new)} shards are new to the model; {weekly.least_new_shards} are wanted")
        name = f"{context.scheduled_execution_time:%Y-%m-%d %H:%M}"
        return Training(name, request.resource_config(shards)).request(str(train_round1.name))

    return weekly_training


def trainable_shards(home: Home) -> list[str]:
    """Registered shards whose labels were made from what lies before them now."""
    states = stored_states(home, registered(home), LABEL_ASSETS[1:])
    return [shard for shard, one in states.items() if all(value.freshness is Freshness.FRESH for value in one.values())]


def trained_shards(home: Home) -> set[str]:
    """Shards whose labels the current model of the first round has learnt from; none where there is no model."""
    versions = home.versions_of(_MODEL)
    current = versions.current()
    return set(versions.provenance(current)["labels"]["versions"]) if current else set()


def _when(schedule: Schedule) -> dict[str, Any]:
    status = dg.DefaultScheduleStatus.RUNNING if schedule.running else dg.DefaultScheduleStatus.STOPPED
    return {
        "cron_schedule": schedule.cron,
        "execution_timezone": schedule.timezone,
        "default_status": status,
    }
