"""What a run is asked to evaluate promptable models on; light to import."""

from __future__ import annotations

from dataclasses import dataclass, field

from ops.prompt_evaluation.settings import PromptEvaluationSettings


@dataclass(frozen=True)
class PromptEvaluationRequest:
    """Register of the datasets (empty: the user's or the shipped one), models beside the published ones, protocols.

    Attributes: limit, the first so many images of a dataset; None takes all.
    """

    file: str = ""
    limit: int | None = None
    models: tuple[str, ...] = ()
    settings: PromptEvaluationSettings = field(default_factory=PromptEvaluationSettings)
