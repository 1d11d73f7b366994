"""From tags to class masks in this process: classifier, pseudo-labels, repair, segmentation, evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ops.fanout import Fanout
from pipelines.rounds import BY_SHARD, ONCE, run_jobs
from pipelines.runner import LabelRequest, ShardRun, running

_LABELS = (("train_classifier", ONCE), ("label_classes", BY_SHARD))
_SEMANTIC = (("train_semantic", ONCE), ("predict_classes", BY_SHARD))


@dataclass(frozen=True)
class ClassesRequest(LabelRequest):
    """How classes are to be found; resolved by `ops.sepl.class_settings.resolve_classes`."""

    preset: str = "small"

    def config_for(self, shards: Sequence[str]) -> dict[str, Any]:
        """The resource's configuration, to learn from `shards`."""
        return self.resource_config() | {"shards": list(shards)}


def find_classes(
    instance: dg.DagsterInstance,
    shards: Sequence[str],
    request: ClassesRequest,
    semantic: bool = True,
    learn_from: Sequence[str] = (),
    pool: Fanout | None = None,
) -> Iterator[ShardRun]:
    """Run the stages over shards that have masks; the first failure ends it.

    Args:
        pool: see `running`.
        learn_from: shards whose tags and labels both networks learn; empty takes `shards`.
        semantic: train and use the segmentation network too.
    """
    steps = [*_LABELS, *(_SEMANTIC if semantic else ())]
    resources = {"classes": request.config_for(learn_from or shards)}
    yield from run_jobs(instance, shards, resources, steps, pool)


def score_classes(instance: dg.DagsterInstance, config: Mapping[str, Any]) -> ShardRun:
    """Evaluate label maps; `config` is that of `ClassEvaluationResource`."""
    with running(instance) as runner:
        return runner.run("evaluate_classes", {"class_evaluating": config})
