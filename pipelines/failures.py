"""Why runs failed, in one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

PARTITION_TAG = "dagster/partition"
_WRAPPERS = ("RetryRequestedFromPolicy", "DagsterExecutionStepExecutionError", "Failure")


@dataclass(frozen=True)
class FailedRun:
    """A run that ended badly.

    Attributes:
        subject: its shard or dataset, else its job.
        ended: seconds since the epoch.
    """

    run: str
    subject: str
    ended: float
    reason: str


def failed_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> FailedRun:
    """What a failed run was about and why it failed."""
    run = record.dagster_run
    subject = run.tags.get(PARTITION_TAG, run.job_name)
    return FailedRun(
        run.run_id, subject, record.end_time or record.update_timestamp.timestamp(), reason_of(instance, run)
    )


def reason_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The checks that failed, or the error that the first failed step raised, or what ended the run."""
    events = _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION, 100)
    failed = [check for event in events if not (check := event.asset_check_evaluation_data).passed]
    if failed:
        return checks_in_one_line(failed)
    for event in _events(instance, run, dg.DagsterEventType.STEP_FAILURE, 1):
        if (error := event.step_failure_data.error) is not None:
            return error_in_one_line(error)
    for event in _events(instance, run, dg.DagsterEventType.RUN_FAILURE, 1):
        return (event.message or "").strip().splitlines()[0] if event.message else "failed without a word"
    return str(run.status.value).lower()


def checks_in_one_line(failed: list[Any]) -> str:
    """Failed check evaluations."""
    return "; ".join(
        f"check {check.check_name} of {check.asset_key.to_user_string()} failed: {check.description}"
        for check in failed
    )


def error_in_one_line(error: Any) -> str:
    """The message of the error below those that Dagster wraps around it; one of a single word says what it is of."""
    while error.cause is not None and error.cls_name in _WRAPPERS:
        error = error.cause
    message = error.message.strip().splitlines()[0].partition(": ")[2]
    return message if " " in message else f"{error.cls_name}: {message}".rstrip(": ")


def _events(
    instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType, limit: int
) -> list[dg.DagsterEvent]:
    records = instance.get_records_for_run(run.run_id, of_type=kind, limit=limit).records
    return [event for record in records if (event := record.event_log_entry.dagster_event) is not None]
