"""Every knob of the automatic mask generator; light to import. The defaults are SAM's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.settings import Section


class GeneratorSettings(Section):
    """SAM's `SamAutomaticMaskGenerator`, under its names (spec 10.2)."""

    points_per_side: int = Field(32, ge=1, le=256)
    points_per_batch: int = Field(
        64, ge=1, description="clicks that are answered at once at most; the masks are the same"
    )
    pred_iou_thresh: float = Field(
        0.88, ge=0, le=1, description="masks of a predicted IoU above this stay; 0 keeps all"
    )
    stability_score_thresh: float = Field(0.95, ge=0, le=1)
    stability_score_offset: float = Field(1.0, gt=0)
    nms: Literal["masks", "boxes"] = Field(
        "masks", description="what overlaps are measured on; boxes, as SAM, loses masks that share a box with a better"
    )
    nms_thresh: float = Field(0.7, gt=0, le=1, description="the largest IoU of two masks of one crop")
    crop_n_layers: int = Field(0, ge=0, le=3, description="layer i has 4^i crops; 0: the whole photo only")
    crop_nms_thresh: float = Field(0.7, gt=0, le=1, description="the largest IoU of two masks of different crops")
    crop_overlap_ratio: float = Field(512 / 1500, ge=0, lt=1)
    crop_n_points_downscale_factor: int = Field(1, ge=1)
    min_mask_region_area: int = Field(0, ge=0, description="holes and islands of fewer pixels are removed")
    max_area: float = Field(1.0, gt=0, le=1, description="largest mask as a share of the photo; SA-1B's is 0.95")


GENERATOR_PRESETS = {
    "sam": GeneratorSettings(),
    "sa1b": GeneratorSettings(
        crop_n_layers=2, crop_n_points_downscale_factor=2, min_mask_region_area=100, max_area=0.95
    ),
    # after eighty steps no outline is stable yet
    "demo": GeneratorSettings(
        points_per_side=12, pred_iou_thresh=0.1, stability_score_thresh=0.0, min_mask_region_area=50
    ),
    # hours on two cores leave logits flat and scores low: SAM's thresholds would throw all away
    "small": GeneratorSettings(
        points_per_side=24,
        pred_iou_thresh=0.2,
        stability_score_thresh=0.3,
        stability_score_offset=0.1,
        min_mask_region_area=25,
        nms_thresh=0.8,
    ),
}
