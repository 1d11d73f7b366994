"""Training in this process: both rounds on masks that nobody drew, and UnSAM+ with human masks beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from ops.fanout import Fanout
from ops.learning import DEFAULT_LEARNING_PRESET
from pipelines.runner import ShardRun, running

BY_SHARD, ONCE = True, False
_ROUNDS = {
    1: (("train_round1", ONCE), ("predict_round1", BY_SHARD)),
    2: (("train_round2", ONCE), ("predict_round2", BY_SHARD)),
}
STEPS_OF_ROUNDS = (*_ROUNDS[1], *_ROUNDS[2])
_PLUS = (("merge_plus", BY_SHARD), ("train_plus", ONCE), ("predict_plus", BY_SHARD))
_ABLATIONS = (("merge_union", BY_SHARD), ("train_ablations", ONCE), ("predict_ablations", BY_SHARD))


@dataclass(frozen=True)
class LearningRequest:
    """How models are to be trained and used; resolved by `ops.learning.resolve_learning`.

    Attributes:
        values: of the user's own settings file.
        workers: that train together.
    """

    preset: str = DEFAULT_LEARNING_PRESET
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
    instance: dg.DagsterInstance,
    shards: Sequence[str],
    request: LearningRequest,
    rounds: Sequence[int] = (1, 2),
    pool: Fanout | None = None,
) -> Iterator[ShardRun]:
    """Train and predict, round after round; the first failure ends it, for what follows would lack its input.

    Args:
        shards: to train on and to predict.
        pool: see `running`.
    """
    steps = [step for number in rounds for step in _ROUNDS[number]]
    yield from run_jobs(instance, shards, {"learning": request.resource_config(shards)}, steps, pool)


def learn_plus(
    instance: dg.DagsterInstance,
    shards: Sequence[str],
    request: LearningRequest,
    ablations: bool = False,
    pool: Fanout | None = None,
) -> Iterator[ShardRun]:
    """Merge human and unsupervised masks, train on them and predict; the first failure ends it.

    Args:
        shards: to train on and to predict; those of the source that `plus.source` names must be labelled.
        ablations: also what UnSAM+ is compared with.
        pool: see `running`.
    """
    steps = [*_PLUS, *(_ABLATIONS if ablations else ())]
    yield from run_jobs(instance, shards, {"learning": request.resource_config(shards)}, steps, pool)


def run_jobs(
    instance: dg.DagsterInstance,
    shards: Sequence[str],
    resources: Mapping[str, Any],
    jobs: Sequence[tuple[str, bool]],
    pool: Fanout | None = None,
) -> Iterator[ShardRun]:
    """Run jobs one after the other; the first failure ends it, for what follows would lack its input.

    Args:
        resources: configuration by name of the resource.
        jobs: name, and whether it runs once for each of `shards`; those that run once train, and idle actors leave
            GPUs, a cluster of others and, to several workers, Ray's cores to them.
        pool: see `running`.
    """
    workers = max((config.get("workers", 1) for config in resources.values()), default=1)
    with running(instance, pool) as runner:
        for job, by_shard in jobs:
            if not by_shard and (workers > 1 or runner.pool.in_the_way):
                runner.pool.release()
            for shard in shards if by_shard else [None]:
                done = runner.run(job, resources, shard)
                yield done
                if done.error:
                    return
