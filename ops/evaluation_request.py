"""What a run is asked to evaluate on."""

from __future__ import annotations

from dataclasses import dataclass


class UnknownSource(ValueError):
    """Masks that nothing makes are to be scored; the message says what there is."""


@dataclass(frozen=True)
class EvaluationRequest:
    """Register of the datasets, how many images of each, whose masks are scored, and how models predict.

    Attributes:
        file: register; empty takes `ops.datasets.datasets_file`.
        limit: the first so many images of a dataset; None takes all.
        sources: names of `ops.evaluation_stage.SOURCES`; empty takes the labels and every model that exists.
        as_trained: every model predicts by the settings of its own training, not by those of the run.
    """

    file: str = ""
    limit: int | None = None
    sources: tuple[str, ...] = ()
    as_trained: bool = True
