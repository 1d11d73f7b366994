"""Both rounds of training in this process: a model, its masks, the next labels, the model that goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from pipelines.runner import ShardRun, running

_JOBS = {1: ("train_round1", "predict_round1"), 2: ("train_round2", "predict_round2")}


@dataclass(frozen=True)
class LearningRequest:
    """How models are to be trained and used; resolved by `ops.learning.resolve_learning`.

    Attributes:
        values: of the user's own settings file.
        workers: that train together.
    """

    preset: str = "small"
    values: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    workers: int = 1
    force: bool = False

    def resource_config(self, shards: Sequence[str]) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "settings": dict(self.values),
            "overrides": list(self.overrides),
            "shards": list(shards),
            "workers": self.workers,
            "force": self.force,
        }


def train_rounds(
    instance: dg.DagsterInstance, shards: Sequence[str], request: LearningRequest, rounds: Sequence[int] = (1, 2)
) -> Iterator[ShardRun]:
    """Train and predict, round after round; the first failure ends it, for what follows would lack its input.

    Args:
        shards: to train on and to predict.
    """
    resources = {"learning": request.resource_config(shards)}
    with running(instance, keep_cluster=True) as runner:
        for number in rounds:
            train, predict = _JOBS[number]
            steps: list[tuple[str, str | None]] = [(train, None), *((predict, shard) for shard in shards)]
            for job, shard in steps:
                done = runner.run(job, resources, shard)
                yield done
                if done.error:
                    return
