"""What decides labels now: the code that is here, and the settings of a request."""

from __future__ import annotations

from assets.code_versions import DINO_FEATURES, HIERARCHICAL_MASKS, NCUT_MASKS
from ops.presets import resolve_settings
from ops.staleness import LabelRecipe
from pipelines.runner import LabelRequest

_CODE = {"dino_features": DINO_FEATURES, "ncut_masks": NCUT_MASKS, "hierarchical_masks": HIERARCHICAL_MASKS}


def current_recipe(request: LabelRequest, with_weights: bool = False) -> LabelRecipe:
    """The recipe of labels that are made now.

    Args:
        with_weights: compare the backbone's weights too, which means loading them: seconds.
    """
    settings = resolve_settings(request.preset, request.values, request.overrides)
    weights = None
    if with_weights:
        from ops.stage_workers import weight_hash

        weights = weight_hash(settings)
    return LabelRecipe(settings, _CODE, weights)
