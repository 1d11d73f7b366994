"""`unsam evaluate`: masks against the human ones of registered datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.datasets import load_datasets, pick
from ops.evaluation import Numbers
from ops.evaluation_table import FROM_THE_PAPER, UNITS, paper_rows, score_rows
from ops.ground_truth import DatasetError
from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.evaluations import EvaluationRun, evaluate_datasets
from pipelines.instance import open_instance
from pipelines.rounds import LearningRequest
from pipelines.runner import LabelRequest
from stores.home import Home


def evaluate(
    labels: LabelRequest,
    learning: LearningRequest | None,
    names: Sequence[str],
    file: Path | None,
    limit: int | None,
    sources: Sequence[str],
) -> int:
    """Evaluate datasets and print a table for each; exit code 1 where one could not be scored.

    Args:
        sources: of masks; empty takes all that there are.
        learning: how models predict; None: each as in its training.
    """
    register = str(file.absolute()) if file else ""
    with errors_in_one_line(DatasetError):
        datasets = pick(load_datasets(register), names)
        if not datasets:
            raise DatasetError("no dataset is registered; docs/evaluation.md says how")
    chosen = tuple(dataset.name for dataset in datasets)
    request = EvaluationRun(chosen, register, limit, tuple(sources), labels, learning)
    papers = {dataset.name: dataset.paper for dataset in datasets}
    failed = False
    with open_instance(Home.from_environment()) as instance:
        for done in evaluate_datasets(instance, request):
            if done.error:
                failed = True
                err.print(f"[red]{done.shard} failed:[/red] {done.error}", highlight=False, soft_wrap=True)
                continue
            told = done.metadata["evaluation"]
            _show(f"{done.shard}: {told['images']} images, {done.seconds:.0f} s", told["scores"], papers[done.shard])
            if "models_missing" in told:
                err.print(f"not trained yet: {told['models_missing']}", highlight=False)
    return 1 if failed else 0


def _show(title: str, scores: Mapping[str, Numbers], paper: Mapping[str, float]) -> None:
    """A column for each source, since the rows of the other way round are too long for a terminal."""
    head, *rows = zip(*score_rows(scores), strict=True)
    out.print(table(title, head, rows))
    out.print(UNITS)
    if paper:
        columns, *published = paper_rows(paper)
        out.print(FROM_THE_PAPER, soft_wrap=True)
        out.print(table("Published", columns, published))
