"""What a run is asked to evaluate on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationRequest:
    """Register of the datasets, how many images of each, and how models predict.

    Attributes:
        file: register; empty takes `ops.datasets.datasets_file`.
        limit: the first so many images of a dataset; None takes all.
        as_trained: every model predicts by the settings of its own training, not by those of the run.
    """

    file: str = ""
    limit: int | None = None
    as_trained: bool = True
