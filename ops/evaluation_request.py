"""What a run is asked to evaluate on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationRequest:
    """Register of the datasets (empty: `ops.datasets.datasets_file`) and how many images of each (None: all)."""

    file: str = ""
    limit: int | None = None
