"""Tokens of a shard: identified, kept where the settings say so, and shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ops.fanout import Fanout
from ops.features import extract
from ops.pictures import contact_sheet, features_as_colours, resized
from ops.settings import LabelSettings
from ops.stage_workers import FeatureWorker, load, read
from ops.stages import StageReport, run_stage
from stores.feature_store import FeatureShardWriter
from stores.shards import ShardSource
from stores.versions import Versions, version_of

SHOWN = 4
_TILE = 224


def feature_provenance(code_version: str, manifest: str, settings: LabelSettings, force: bool) -> dict[str, Any]:
    """What decides a shard's tokens: their code, images, backbone with the hash of its weights, and precision."""
    return {
        "asset": "dino_features",
        "code": code_version,
        "inputs": {"shard_manifest": manifest},
        "settings": settings.model_dump(mode="json", include={"backbone", "features", "limits"}),
        "weights": load(settings, "cpu").weight_hash,
        **forced(force),
    }


def forced(force: bool) -> dict[str, float]:
    """Makes a version new although nothing else is."""
    return {"forced_at": time.time()} if force else {}


def keep_features(
    versions: Versions,
    provenance: dict[str, Any],
    source: ShardSource,
    keys: Sequence[str],
    settings: LabelSettings,
    pool: Fanout,
    log: Callable[[str], None] | None = None,
) -> StageReport:
    """Publish the version of tokens that `provenance` names, with the tokens themselves if they are kept."""
    version = version_of(provenance)
    keep = settings.features.keep
    if keep == "none":
        begun = time.perf_counter()
        if versions.is_complete(version):
            versions.rollback(version)
        else:
            versions.publish(version, provenance)
        return StageReport(version, len(keys), 0, {}, time.perf_counter() - begun)
    writer = FeatureShardWriter(versions, version, keys, precision=keep)
    worker = FeatureWorker(source, settings, pool.device)
    return run_stage(writer, provenance, worker, pool, f"features of {source.shard}", log)


def feature_sheet(source: ShardSource, keys: Sequence[str], settings: LabelSettings, device: str) -> np.ndarray:
    """A few photos, each beside its tokens' first three principal components as colours; (H, W, 3) uint8."""
    backbone, reader = load(settings, device), source.open()
    pictures = []
    for key in _spread(keys, SHOWN):
        image = read(reader, key, settings)
        tokens = extract(backbone, [image], settings.backbone.size)[0]
        pictures += [resized(image, _TILE), features_as_colours(tokens)]
    return contact_sheet(pictures, columns=4, tile=_TILE)


def _spread(keys: Sequence[str], count: int) -> list[str]:
    """At most `count` keys, evenly over the shard, the same each time."""
    positions = np.unique(np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(int))
    return [keys[position] for position in positions]
