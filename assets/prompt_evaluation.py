"""Clicks, boxes and edges of the promptable models scored against human masks, a dataset a partition."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from assets.failures import failing_at_once
from assets.partitions import GPU_POOL, PROMPT_EVALUATION, RETRY
from ops.datasets import load_datasets, pick
from ops.evaluation_history import HistoryEntry, SourceEntry, history, remember
from ops.prompt_evaluation.request import PromptEvaluationRequest
from stores.home import Home
from stores.versions import version_of

if TYPE_CHECKING:
    from ops.prompt_evaluation.stage import PromptEvaluation

CODE_VERSION = "3"
HISTORY = "prompts"


def prompt_evaluation_on(datasets: Sequence[str]) -> dg.AssetsDefinition:
    """The asset with a partition for each dataset of the register that `evaluation` has too."""

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(list(datasets)),
        deps=["promptable_model", "promptable_plus_model"],
        group_name=PROMPT_EVALUATION,
        code_version=CODE_VERSION,
        kinds={"json"},
        pool=GPU_POOL,
        retry_policy=RETRY,
    )
    def prompt_evaluation(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        prompt_evaluating: dg.ResourceParam[PromptEvaluationRequest],
    ) -> dg.MaterializeResult:
        """Single clicks, several clicks, boxes and, where several people drew, edges: every promptable model."""
        from ops.prompt_evaluation.rounds import rounds_table
        from ops.prompt_evaluation.stage import evaluate_prompts
        from ops.prompt_evaluation.table import comparison_table

        request = prompt_evaluating
        with failing_at_once():
            (dataset,) = pick(load_datasets(request.file), [context.partition_key])
            result = evaluate_prompts(home, dataset, request.settings, request.models, request.limit, context.log.info)
        remember(home, _entry(result, dataset.name, context.run.run_id))
        past = history(home, f"{HISTORY}-{dataset.name}")
        plotted = {
            f"{model}_{name}": value
            for model, numbers in result.numbers.items()
            for name, value in numbers.items()
            if value is not None
        }
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version_of({"numbers": result.numbers})),
            metadata={
                "table": dg.MetadataValue.md(comparison_table(result.numbers)),
                "scores": dg.MetadataValue.json(result.numbers),
                "rounds": dg.MetadataValue.md(rounds_table(past, "promptable_model")),
                "images": result.images,
                "seconds": round(result.seconds, 1),
                **({"models_missing": ", ".join(result.missing)} if result.missing else {}),
                **({"no_texts": dg.MetadataValue.json(result.no_texts)} if result.no_texts else {}),
                **plotted,
            },
        )

    return prompt_evaluation


def _entry(result: "PromptEvaluation", dataset: str, run: str) -> HistoryEntry:
    sources = {
        name: SourceEntry(numbers=numbers, made_by=result.versions.get(name, name), versions={})
        for name, numbers in result.numbers.items()
    }
    return HistoryEntry(
        time=datetime.now(UTC), run=run, dataset=f"{HISTORY}-{dataset}", images=result.images, sources=sources
    )
