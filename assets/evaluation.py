"""Pseudo-labels and trained models scored against human masks, a dataset a partition."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from assets import (
    dino_features,
    hierarchical_masks,
    ncut_masks,
    plus_ablations,
    round1_masks,
    unsam_masks,
    unsam_plus_masks,
)
from assets.evaluation_metadata import of_evaluation
from assets.failures import failing_at_once
from assets.partitions import EVALUATION, GPU_POOL, RETRY
from ops.datasets import load_datasets, pick
from ops.evaluation_history import HistoryEntry, SourceEntry, history, remember
from ops.evaluation_request import EvaluationRequest
from ops.fanout import Fanout
from ops.ground_truth import DatasetError
from ops.learning import Learning
from ops.presets import Labelling
from stores.home import Home
from stores.versions import version_of

if TYPE_CHECKING:
    from ops.evaluation_stage import Evaluation

CODE_VERSION = "1"
AFTER_TRAINING = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("a model was trained")
CODE_VERSIONS = {
    module.__name__.rpartition(".")[2]: module.CODE_VERSION
    for module in (dino_features, ncut_masks, hierarchical_masks, round1_masks, unsam_masks, unsam_plus_masks)
} | dict.fromkeys(("human_only_masks", "union_masks"), plus_ablations.CODE_VERSION)


def dataset_names() -> list[str]:
    """Names in the register of datasets; none, and a warning in the log, where it cannot be read."""
    try:
        return list(load_datasets())
    except DatasetError as error:
        logging.getLogger(__name__).warning("no dataset can be evaluated on: %s", error)
        return []


def evaluation_on(datasets: Sequence[str]) -> dg.AssetsDefinition:
    """The asset with a partition for each dataset."""

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(list(datasets)),
        deps=["round1_model", "unsam_model", "unsam_plus_model", "human_only_model", "union_model"],
        group_name=EVALUATION,
        code_version=CODE_VERSION,
        kinds={"json"},
        pool=GPU_POOL,
        retry_policy=RETRY,
        automation_condition=AFTER_TRAINING,
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        labelling: dg.ResourceParam[Labelling],
        learning: dg.ResourceParam[Learning],
        evaluating: dg.ResourceParam[EvaluationRequest],
        fanout: dg.ResourceParam[Fanout],
    ) -> dg.MaterializeResult:
        """Average recall of the pseudo-labels and of each model, measured on the human masks of a dataset."""
        from ops.evaluation_stage import Contestants, evaluate_dataset

        forced = labelling.forced_by(context.run.run_id)
        prediction = None if evaluating.as_trained else learning.settings
        contestants = Contestants(labelling.settings, prediction, CODE_VERSIONS, evaluating.sources, forced)
        with failing_at_once():
            (dataset,) = pick(load_datasets(evaluating.file), [context.partition_key])
            result = evaluate_dataset(home, dataset, contestants, fanout, evaluating.limit, context.log.info)
        entry = _entry(result, dataset.name, context.run.run_id)
        remember(home, entry)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                version_of({name: source.model_dump() for name, source in entry.sources.items()})
            ),
            metadata=of_evaluation(result, dataset.paper, history(home, dataset.name)),
        )

    return evaluation


def _entry(result: "Evaluation", dataset: str, run: str) -> HistoryEntry:
    sources = {
        name: SourceEntry(numbers=source.scores.numbers(), made_by=source.made_by, versions=source.versions)
        for name, source in result.sources.items()
    }
    return HistoryEntry(time=datetime.now(UTC), run=run, dataset=dataset, images=result.images, sources=sources)
