"""What is asked of a promptable model in an evaluation; light to import."""

from __future__ import annotations

from pydantic import Field

from ops.automatic.settings import GeneratorSettings
from ops.settings import Section


class PromptEvaluationSettings(Section):
    """Which protocols are run, and on how much."""

    masks_per_image: int = Field(0, ge=0, description="human masks of an image, drawn at random; 0 takes all")
    clicks: int = Field(20, ge=1, le=20, description="of the simulated user; beyond 9 only until 90 % are reached")
    edges: bool = Field(True, description="boundary benchmark, on data sets with several annotators (bsds500)")
    edge_points: int = Field(16, ge=1, description="clicks a side for the edge map")
    edge_nms: float = Field(0.7, gt=0, le=1)
    proposals: bool = Field(False, description="average recall of everything mode")
    generator: GeneratorSettings = Field(
        GeneratorSettings(points_per_side=64, nms_thresh=0.9, pred_iou_thresh=0, stability_score_thresh=0),
        description="everything mode; SAM's for proposals: a 64 x 64 grid, NMS at 0.9, no filters",
    )
    clip: str = Field("", description="CLIP's weights for texts: a folder, or a name on the hub; empty asks for none")
    text_template: str = Field("a photo of a {}", pattern=r"^[^{}]*\{\}[^{}]*$", description="around a category's name")
    seed: int = 0
