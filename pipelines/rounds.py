"""Training in this process: both rounds on masks that nobody drew, and UnSAM+ with human masks beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from pipelines.runner import ShardRun, running

_BY_SHARD, _ONCE = True, False
_ROUNDS = {
    1: (("train_round1", _ONCE), ("predict_round1", _BY_SHARD)),
    2: (("train_round2", _ONCE), ("predict_round2", _BY_SHARD)),
}
STEPS_OF_ROUNDS = (*_ROUNDS[1], *_ROUNDS[2])
_PLUS = (("merge_plus", _BY_SHARD), ("train_plus", _ONCE), ("predict_plus", _BY_SHARD))
_ABLATIONS = (("merge_union", _BY_SHARD), ("train_ablations", _ONCE), ("predict_ablations", _BY_SHARD))


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
    yield from _run(instance, shards, request, [step for number in rounds for step in _ROUNDS[number]])


def learn_plus(
    instance: dg.DagsterInstance, shards: Sequence[str], request: LearningRequest, ablations: bool = False
) -> Iterator[ShardRun]:
    """Merge human and unsupervised masks, train on them and predict; the first failure ends it.

    Args:
        shards: to train on and to predict; those of the source that `plus.source` names must be labelled.
        ablations: also what UnSAM+ is compared with.
    """
    yield from _run(instance, shards, request, [*_PLUS, *(_ABLATIONS if ablations else ())])


def _run(
    instance: dg.DagsterInstance, shards: Sequence[str], request: LearningRequest, jobs: Sequence[tuple[str, bool]]
) -> Iterator[ShardRun]:
    resources = {"learning": request.resource_config(shards)}
    with running(instance, keep_cluster=True) as runner:
        for job, by_shard in jobs:
            for shard in shards if by_shard else [None]:
                done = runner.run(job, resources, shard)
                yield done
                if done.error:
                    return
