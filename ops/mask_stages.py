"""The two stages that make masks, over a shard: divide, then the hierarchy of a recipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ops.fanout import Fanout
from ops.pictures import contact_sheet, overlay, overlay_at_granularity, resized
from ops.settings import LabelSettings, LimitSettings
from ops.shard_samples import sample_images
from ops.stage_workers import DivideFinish, HierarchyWorker, TokenWorker
from ops.stages import Provenance, Say, StageReport, run_stage
from stores.feature_store import FeatureShardReader
from stores.home import Home
from stores.mask_store import MaskShardReader, MaskShardWriter
from stores.shards import ShardSource
from stores.versions import version_of

_SHOWN = 6
_TILE = 256
_GRANULARITIES = (0.6, 0.3)
_MOST_MASKS_OF_PAPER_RECIPE = 20_000
_SMALLEST_STRIDE = 8


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
    stored = None
    if settings.features.keep != "none":
        versions = home.versions("features", "dino_features", source.shard)
        stored = FeatureShardReader(versions, provenance["inputs"]["dino_features"])
        keys = [key for key in keys if key in stored]
    writer = MaskShardWriter(home.versions("masks", "ncut_masks", source.shard), version_of(provenance), keys)
    worker = TokenWorker(source, settings, stored)
    return run_stage(writer, provenance, worker, pool, f"objects of {source.shard}", log, finish=DivideFinish(settings))


def divide_bound(settings: LabelSettings) -> int:
    """Most objects that an image may have."""
    tokens = (settings.backbone.size // _SMALLEST_STRIDE) ** 2
    return settings.divide.max_masks * (1 if settings.divide.components == "seed" else tokens)


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
    versions = home.versions("masks", "hierarchical_masks", source.shard)
    writer = MaskShardWriter(versions, version_of(provenance), objects.keys)
    worker = HierarchyWorker(source, settings, objects)
    return run_stage(writer, provenance, worker, pool, f"masks of {source.shard}", log)


def hierarchy_bound(settings: LabelSettings) -> int:
    """Most masks that an image may have."""
    return settings.pixel_tree.max_masks if settings.recipe == "pixel_tree" else _MOST_MASKS_OF_PAPER_RECIPE


def mask_sheet(source: ShardSource, masks: MaskShardReader, limits: LimitSettings) -> np.ndarray:
    """Overlays of a few images of the shard, (H, W, 3) uint8."""
    samples = sample_images(source, masks.keys, limits, _SHOWN)
    return contact_sheet([overlay(image, masks[key], _TILE) for key, image in samples], tile=_TILE)


def hierarchy_sheet(source: ShardSource, masks: MaskShardReader, limits: LimitSettings) -> np.ndarray:
    """A few images of the shard, each beside its masks coarse and fine, (H, W, 3) uint8."""
    pictures = []
    for key, image in sample_images(source, masks.keys, limits, _SHOWN // 2):
        pictures.append(resized(image, _TILE))
        pictures += [overlay_at_granularity(image, masks[key], granularity, _TILE) for granularity in _GRANULARITIES]
    return contact_sheet(pictures, columns=1 + len(_GRANULARITIES), tile=_TILE)
