"""Promptable models in this process: training, everything in every shard, evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ops.fanout import Fanout
from ops.promptable.request import DEFAULT_PROMPTABLE_PRESET
from pipelines.evaluations import register_definitions
from pipelines.rounds import BY_SHARD, ONCE, LearningRequest, run_jobs
from pipelines.runner import ShardRun, running

EVALUATION_JOB = "evaluate_prompts"


@dataclass(frozen=True)
class PromptingRequest(LearningRequest):
    """How promptable models are to be trained and used; resolved by `ops.promptable.request.resolve_prompting`.

    Attributes: labels, the mask asset to learn from; plus, train the model of `plus_labels` instead; everything, also
    make `auto_masks` of every shard.
    """

    preset: str = DEFAULT_PROMPTABLE_PRESET
    labels: str = "hierarchical_masks"
    plus: bool = False
    everything: bool = False

    def resource_config(self, shards: Sequence[str]) -> dict[str, Any]:
        return super().resource_config(shards) | {"labels": self.labels}


def learn_prompts(
    instance: dg.DagsterInstance, shards: Sequence[str], request: PromptingRequest, pool: Fanout | None = None
) -> Iterator[ShardRun]:
    """Train a promptable model, then look for everything where that was asked for; the first failure ends it.

    Args:
        pool: see `running`.
    """
    steps = [("train_promptable_plus" if request.plus else "train_promptable", ONCE)]
    if request.everything:
        steps.append(("segment_everything", BY_SHARD))
    yield from run_jobs(instance, shards, {"prompting": request.resource_config(shards)}, steps, pool)


def evaluate_prompts(
    instance: dg.DagsterInstance, datasets: Sequence[str], config: Mapping[str, Any]
) -> Iterator[ShardRun]:
    """Evaluate promptable models dataset by dataset; `config` is that of `PromptEvaluationResource`."""
    from assets.prompt_evaluation import prompt_evaluation_on

    definitions = register_definitions(prompt_evaluation_on(datasets), EVALUATION_JOB)
    with running(instance) as runner:
        for dataset in datasets:
            yield runner.run(EVALUATION_JOB, {"prompt_evaluating": config}, dataset, definitions=definitions)
