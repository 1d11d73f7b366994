"""Every knob of the pipeline as one frozen, checked tree; light to import, so that the command line can read it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BackboneSettings(Section):
    """Which self-supervised network makes the features, and on what input."""

    name: str = "augnet_resnet50"
    weights: str | None = Field(None, description="a file or URL; empty takes them from the hub or the package")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    size: int = Field(480, ge=64, description="side in pixels to which the whole image is resized")


class FeatureSettings(Section):
    """What the feature store keeps of the tokens; `none` recomputes them in the actor that needs them."""

    keep: Literal["none", "float16", "int8"] = "none"


class DivideSettings(Section):
    """MaskCut (spec 2.2); the defaults are the fixes of spec 2.3."""

    tau: float | None = Field(None, description="edge threshold on the cosine; empty takes the backbone's")
    eps: float = 1e-5
    max_masks: int = Field(3, ge=1)
    max_eigenvalue: float = Field(
        1.0, description="stop at a cut worse than this: with 0.5 the number of masks follows the image; 1 never stops"
    )
    painted: Literal["remove", "zero"] = "remove"
    overlap_with: Literal["union", "previous"] = "union"
    after_rejection: Literal["stop", "continue"] = "stop"
    overlap_iou: float = Field(0.5, description="a mask that overlaps earlier ones more than this is rejected")
    min_area: float = Field(0.01, description="smallest mask, as a share of the image")
    components: Literal["seed", "all"] = Field(
        "seed", description="of a cut's object side the seed's component only, or each that is not too small"
    )
    tolerance: float = 1e-6
    refine: bool = True


class CrfSettings(Section):
    """Dense CRF (Kraehenbuehl and Koltun 2011) with CutLER's constants (spec 2.2)."""

    iterations: int = 10
    gaussian_sxy: float = 3.0
    gaussian_compat: float = 7.0
    bilateral_sxy: float = 50.0
    bilateral_srgb: float = 5.0
    bilateral_compat: float = 10.0
    size: int = Field(480, description="side in pixels at which the CRF runs")
    min_iou: float = Field(0.5, description="a mask that the CRF changes more than this keeps its old shape")
    drop_changed: bool = Field(False, description="drop such a mask instead, as the papers do")


class ConquerSettings(Section):
    """Iterative merging inside each divide mask and on the whole image (spec 3)."""

    thetas: tuple[float, ...] | None = Field(None, description="descending; empty takes the backbone's")
    crop_size: int = 256
    crop_end: Literal["inclusive", "exclusive"] = Field(
        "inclusive", description="exclusive loses each crop's last row and column, as the papers' code"
    )
    channel_order: Literal["rgb", "bgr"] = Field("rgb", description="bgr is what the papers' code feeds by mistake")
    accumulate: Literal["float32", "float16"] = Field("float32", description="precision of a cluster's sum of tokens")
    upsample: Literal["sharp", "smooth", "each"] = Field(
        "sharp",
        description="the finest clusters once, along the photo's edges (sharp) or by a bicubic vote (smooth); each "
        "does every cluster by itself as the papers' code",
    )
    min_size: int = Field(4, description="smallest cluster in tokens")
    coverage: float = Field(0.9, description="share of a part that must lie inside its instance")
    nms_iou: float = 0.9
    nms_window: int | None = Field(
        None, description="compare a mask with the `nms_window - 1` next ones only; 5 in the papers' code"
    )
    nms_scope: Literal["image", "region"] = Field(
        "image", description="region suppresses the parts of each instance by themselves, as the papers' code"
    )
    whole_image: bool = Field(True, description="run the same merge on the whole image too")
    refine: bool = Field(True, description="a CRF over the finest clusters, or over each mask with upsample `each`")
    refine_size: int = Field(240, ge=16, description="longer side in pixels at which the CRF over the clusters runs")


class PixelTreeSettings(Section):
    """One hierarchy over pixels that joins MaskCut's objects and the pixels' edges."""

    max_masks: int = Field(500, ge=1)
    side: int = Field(640, ge=64, description="longer side in pixels of the image on which the trees grow")
    feature_side: int = Field(640, ge=64, description="longer side in pixels of the backbone's input")
    max_leaves: int = Field(8000, ge=2, description="the boundary map is smoothed until there are no more superpixels")
    trees: int = Field(3, ge=1, le=3, description="how many merge trees of different weights")
    pairs: int = Field(800, ge=0, description="unions of two neighbours proposed by each tree; 0 switches them off")
    boundaries: Literal["multiscale", "sobel"] = Field("multiscale", description="what the superpixels follow")
    deep_features: bool = Field(True, description="merge by the backbone's features too, not by pixels only")
    ranked_by: tuple[Literal["size", "boundary", "separation", "compactness", "growth"], ...] = Field(
        ("size", "boundary", "separation", "compactness", "growth"), description="what makes a mask's score"
    )
    objects: bool = Field(True, description="propose MaskCut's objects too, snapped to the superpixels")
    object_taus: tuple[float, ...] = Field((0.2,), description="edge thresholds of those cuts")
    triplets: int = Field(800, ge=0, description="unions of three neighbours proposed by each tree; 0: none")
    growth: int = Field(7, ge=0, description="unions grown from each seed at each number of seeds; 0: none")
    seeds: tuple[int, ...] = Field((50, 100, 200), description="numbers of regions that serve as seeds, of each tree")
    background: float = Field(1.0, description="how much nearness to the frame counts against what is grown")
    least_ratio: float = Field(0.08, description="smaller over larger area of such a union's parts")
    smallest: float = Field(0.0007, description="least area of a mask's node, as a share of the image")
    near_copy: float = Field(0.92, description="a node that fills more than this share of its parent is left out")
    largest_overlap: float = Field(0.8, description="IoU above which the lower ranked of two masks is left out")


class LimitSettings(Section):
    """What is refused rather than tried."""

    max_pixels: int = Field(100_000_000, description="larger images are quarantined")
    min_side: int = Field(8, description="thinner images are quarantined")


class LabelSettings(Section):
    """Everything that decides which masks an image gets."""

    recipe: Literal["paper", "pixel_tree"] = "pixel_tree"
    backbone: BackboneSettings = BackboneSettings()
    features: FeatureSettings = FeatureSettings()
    divide: DivideSettings = DivideSettings()
    crf: CrfSettings = CrfSettings()
    conquer: ConquerSettings = ConquerSettings()
    pixel_tree: PixelTreeSettings = PixelTreeSettings()
    limits: LimitSettings = LimitSettings()
