"""Evaluations in this process, one Dagster run a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg

from pipelines.rounds import LearningRequest
from pipelines.runner import LabelRequest, ShardRun, running

JOB = "evaluate"


@dataclass(frozen=True)
class EvaluationRun:
    """Which datasets, of which register, and how masks are made and predicted on their photos.

    Attributes:
        datasets: names in the register. file: the register; empty takes the user's or the shipped one.
        limit: the first so many images of each; None takes all.
        sources: of masks; empty takes all that there are.
        learning: how models predict; None: each as in its training.
    """

    datasets: tuple[str, ...]
    file: str = ""
    limit: int | None = None
    sources: tuple[str, ...] = ()
    labels: LabelRequest = field(default_factory=LabelRequest)
    learning: LearningRequest | None = None


def evaluate_datasets(instance: dg.DagsterInstance, request: EvaluationRun) -> Iterator[ShardRun]:
    """Evaluate dataset by dataset; one that fails does not stop the others."""
    from assets.evaluation import evaluation_on

    resources = {
        "labelling": request.labels.resource_config(),
        "learning": (request.learning or LearningRequest()).resource_config([]),
        "evaluating": {
            "file": request.file,
            "limit": request.limit or 0,
            "sources": list(request.sources),
            "as_trained": request.learning is None,
        },
    }
    definitions = register_definitions(evaluation_on(request.datasets), JOB)
    with running(instance) as runner:
        for dataset in request.datasets:
            yield runner.run(JOB, resources, dataset, definitions=definitions)


def register_definitions(evaluation: dg.AssetsDefinition, job: str) -> dg.Definitions:
    """One evaluation and its job, with the partitions of a register that may not be the one of the UI."""
    from pipelines.definitions import RESOURCES
    from pipelines.jobs import JOBS

    jobs = [definition for definition in JOBS if definition.name == job]
    return dg.Definitions(
        assets=[evaluation],
        jobs=jobs,
        executor=dg.in_process_executor,
        resources=RESOURCES,
    )
