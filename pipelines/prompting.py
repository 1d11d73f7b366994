"""Promptable models in this process: training, everything in every shard, evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from pipelines.runner import ShardRun, running


@dataclass(frozen=True)
class PromptingRequest:
    """How promptable models are to be trained and used; resolved by `ops.promptable.request.resolve_prompting`.

    Attributes: values, of the user's own settings file; labels, the mask asset to learn from; workers, that train
    together; plus, train the model of `plus_labels` instead; everything, also make `auto_masks` of every shard.
    """

    preset: str = "small"
    values: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    labels: str = "hierarchical_masks"
    workers: int = 1
    force: bool = False
    plus: bool = False
    everything: bool = False

    def resource_config(self, shards: Sequence[str]) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "settings": dict(self.values),
            "overrides": list(self.overrides),
            "labels": self.labels,
            "shards": list(shards),
            "workers": self.workers,
            "force": self.force,
        }


def learn_prompts(instance: dg.DagsterInstance, shards: Sequence[str], request: PromptingRequest) -> Iterator[ShardRun]:
    """Train a promptable model, then look for everything where that was asked for; the first failure ends it."""
    resources = {"prompting": request.resource_config(shards)}
    job = "train_promptable_plus" if request.plus else "train_promptable"
    steps: list[tuple[str, str | None]] = [(job, None)]
    if request.everything:
        steps += [("segment_everything", shard) for shard in shards]
    with running(instance, keep_cluster=request.everything) as runner:
        for name, shard in steps:
            done = runner.run(name, resources, shard)
            yield done
            if done.error:
                return


def evaluate_prompts(
    instance: dg.DagsterInstance, datasets: Sequence[str], config: Mapping[str, Any]
) -> Iterator[ShardRun]:
    """Evaluate promptable models dataset by dataset; `config` is that of `PromptEvaluationResource`."""
    definitions = _definitions(datasets)
    with running(instance, keep_cluster=False) as runner:
        for dataset in datasets:
            yield runner.run("evaluate_prompts", {"prompt_evaluating": config}, dataset, definitions=definitions)


def _definitions(datasets: Sequence[str]) -> dg.Definitions:
    """The project's evaluation with the partitions of a register that may not be the one of the UI."""
    from assets.prompt_evaluation import prompt_evaluation_on
    from pipelines.definitions import RESOURCES
    from pipelines.jobs import evaluate_prompts as job

    return dg.Definitions(
        assets=[prompt_evaluation_on(datasets)], jobs=[job], executor=dg.in_process_executor, resources=RESOURCES
    )
