"""What decides the pseudo-labels of a shard, stage by stage; light to import: thousands are compared."""

from __future__ import annotations

from typing import Any

from ops.settings import LabelSettings

_OF_RECIPE = {"paper": {"recipe", "conquer", "crf"}, "pixel_tree": {"recipe", "pixel_tree"}}


def feature_provenance(
    code_version: str, manifest: str, settings: LabelSettings, weights: str | None, forced: str | None
) -> dict[str, Any]:
    """What decides a shard's tokens: their code, images, and the backbone with the hash of its weights."""
    return {
        "asset": "dino_features",
        "code": code_version,
        "inputs": {"shard_manifest": manifest},
        "settings": settings.model_dump(mode="json", include={"backbone", "features"}),
        "weights": weights,
        "forced": forced,
    }


def divide_provenance(
    code_version: str, manifest: str, features: str, settings: LabelSettings, forced: str | None
) -> dict[str, Any]:
    """What decides the objects of a shard."""
    return {
        "asset": "ncut_masks",
        "code": code_version,
        "inputs": {"shard_manifest": manifest, "dino_features": features},
        "settings": settings.model_dump(mode="json", include={"divide", "crf"}),
        "forced": forced,
    }


def hierarchy_provenance(
    code_version: str, objects: str, settings: LabelSettings, forced: str | None
) -> dict[str, Any]:
    """What decides the mask trees of a shard."""
    return {
        "asset": "hierarchical_masks",
        "code": code_version,
        "inputs": {"ncut_masks": objects},
        "settings": settings.model_dump(mode="json", include=_OF_RECIPE[settings.recipe]),
        "forced": forced,
    }
