"""Every knob of the data engine; light to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from ops.settings import Section


class EngineSettings(Section):
    """What is proposed, what is taken for sure, and what counts as a correction."""

    stage: Literal["assisted", "semi_automatic", "automatic"] = Field(
        "assisted",
        description="people correct every proposal; people draw what the sure ones leave over; nobody is asked",
    )
    source: str = Field("auto_masks", description="mask asset whose masks are proposed")
    proposed: float = Field(0.5, ge=0, le=1, description="least score of a proposal that people see")
    sure: float = Field(0.8, ge=0, le=1, description="least score of a mask that is taken without people")
    left_over: float = Field(0.005, gt=0, lt=1, description="least region without a mask, as a share of the image")
    unchanged_iou: float = Field(0.98, gt=0, le=1, description="IoU above which a mask counts as left as it was")
    changed_iou: float = Field(0.5, gt=0, lt=1, description="IoU above which it counts as changed, not as another one")


@dataclass(frozen=True)
class Engine:
    """What a run of the data engine is asked for.

    Attributes: corrections, a COCO file or a folder of SA-1B JSON that people made of the proposals.
    """

    settings: EngineSettings = field(default_factory=EngineSettings)
    corrections: str = ""
