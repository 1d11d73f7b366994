"""The two stages that make masks, over a shard: divide, then the hierarchy of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ops.fanout import Fanout
from ops.feature_stage import forced
from ops.pictures import contact_sheet, overlay
from ops.settings import LabelSettings
from ops.stage_workers import DivideWorker, HierarchyWorker, read
from ops.stages import StageReport, mask_writer, run_stage
from stores.feature_store import FeatureShardReader
from stores.home import Home
from stores.mask_store import MaskShardReader
from stores.shards import ShardSource

SHOWN = 6
_TILE = 256
_UNBOUNDED_RECIPE_MASKS = 20_000

Provenance = dict[str, Any]
Say = Callable[[str], None]


def divide_provenance(
    code_version: str, manifest: str, features: str, settings: LabelSettings, force: bool
) -> Provenance:
    """What decides the objects of a shard."""
    return {
        "asset": "ncut_masks",
        "code": code_version,
        "inputs": {"shard_manifest": manifest, "dino_features": features},
        "settings": settings.model_dump(mode="json", include={"divide", "crf"}),
        **forced(force),
    }


def divide_shard(
    home: Home,
    provenance: Provenance,
    source: ShardSource,
    keys: Sequence[str],
    settings: LabelSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """MaskCut on every image of a shard, from stored tokens where they are kept."""
    tokens = None
    if settings.features.keep != "none":
        versions = home.versions("features", "dino_features", source.shard)
        tokens = FeatureShardReader(versions, provenance["inputs"]["dino_features"])
    writer = mask_writer(home.versions("masks", "ncut_masks", source.shard), provenance, keys)
    worker = DivideWorker(source, settings, pool.device, tokens)
    return run_stage(writer, provenance, worker, pool, f"objects of {source.shard}", log)


def divide_bound(settings: LabelSettings) -> int:
    """Most objects that an image may have."""
    tokens = (settings.backbone.size // 8) ** 2
    return settings.divide.max_masks * (1 if settings.divide.components == "seed" else tokens)


def hierarchy_provenance(code_version: str, objects: str, settings: LabelSettings, force: bool) -> Provenance:
    """What decides the mask trees of a shard."""
    used = {"paper": {"recipe", "conquer", "crf"}, "pixel_tree": {"recipe", "pixel_tree"}}[settings.recipe]
    return {
        "asset": "hierarchical_masks",
        "code": code_version,
        "inputs": {"ncut_masks": objects},
        "settings": settings.model_dump(mode="json", include=used),
        **forced(force),
    }


def hierarchy_shard(
    home: Home,
    provenance: Provenance,
    source: ShardSource,
    objects: MaskShardReader,
    settings: LabelSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """The recipe's mask tree of every image that has been divided."""
    writer = mask_writer(home.versions("masks", "hierarchical_masks", source.shard), provenance, objects.keys)
    worker = HierarchyWorker(source, settings, pool.device, objects)
    return run_stage(writer, provenance, worker, pool, f"masks of {source.shard}", log)


def hierarchy_bound(settings: LabelSettings) -> int:
    """Most masks that an image may have."""
    return settings.pixel_tree.max_masks if settings.recipe == "pixel_tree" else _UNBOUNDED_RECIPE_MASKS


def mask_sheet(source: ShardSource, masks: MaskShardReader, settings: LabelSettings) -> np.ndarray:
    """Overlays of a few images of the shard, (H, W, 3) uint8."""
    reader = source.open()
    positions = np.unique(np.linspace(0, len(masks) - 1, min(SHOWN, len(masks))).astype(int)) if len(masks) else []
    keys = [masks.keys[position] for position in positions]
    return contact_sheet([overlay(read(reader, key, settings), masks[key], _TILE) for key in keys], tile=_TILE)
