"""Shards of small photos with masks in a store, made without the stages that would make them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from ops.mask_tree import build_tree
from ops.settings import LimitSettings
from stores.home import Home
from stores.manifests import build_manifest, publish_manifest, register, source_of
from stores.mask_store import MaskShardWriter
from stores.masks import SOURCES, MaskSet
from stores.sa1b import to_sa1b
from stores.shards import discover
from stores.versions import version_of

PHOTOS = (data.coffee, data.chelsea, data.astronaut, data.rocket)
SIZE = (120, 90)
TINY = {
    "training": {
        "learner": "queries",
        "model": {
            "backbone": "augnet_resnet50",
            "queries": 12,
            "encoder_layers": 1,
            "decoder_layers": 2,
            "dim": 32,
            "feedforward": 32,
        },
        "loss": {"points": 64},
        "loader": {"size": 64, "fit": "short", "scales": (1.0, 1.25), "max_masks": 12, "workers": 1},
        "batch": 2,
        "steps": 4,
        "checkpoint_every": 2,
        "log_every": 1,
        "precision": "float32",
    },
    "second_round": {"steps": 2},
    "prediction": {"short_side": 64, "long_side": 128, "max_masks": 12, "nms_iou": 0.9},
}


def grid_masks(size: tuple[int, int], cells: int = 4) -> MaskSet:
    """A tree of boxes: the whole frame of (H, W) `size`, its halves, and a grid."""
    height, width = size
    masks = [np.ones(size, bool)]
    for left, right in ((0, width // 2), (width // 2, width)):
        half = np.zeros(size, bool)
        half[:, left:right] = True
        masks.append(half)
    rows, columns = np.linspace(0, height, cells + 1).astype(int), np.linspace(0, width, cells + 1).astype(int)
    for row in range(cells):
        for column in range(cells):
            cell = np.zeros(size, bool)
            cell[rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = True
            masks.append(cell)
    scores = np.linspace(1, 0.1, len(masks))
    return build_tree(MaskSet.from_dense(masks, size, score=scores, source=SOURCES.index("tree")))


def add_shard(home: Home, folder: Path, count: int = 3, masks: MaskSet | None = None) -> str:
    """Register a folder of `count` new photos and publish its manifest and `hierarchical_masks`; the shard's key."""
    folder.mkdir(parents=True)
    for number in range(count):
        photo = Image.fromarray(PHOTOS[number % len(PHOTOS)]()).resize(SIZE)
        photo.save(folder / f"photo{number}.jpg", quality=95)
    (source,) = discover(str(folder))
    register(home, [source])
    publish_labels(home, source.shard, masks)
    return source.shard


def annotate(folder: Path, number: int, masks: MaskSet) -> Path:
    """Write the SA-1B JSON of a shard's photo `number`, as if humans had drawn the masks."""
    path = folder / f"photo{number}.json"
    path.write_text(json.dumps(to_sa1b(masks, f"photo{number}.jpg", number)))
    return path


def publish_labels(home: Home, shard: str, masks: MaskSet | None = None, note: str = "") -> str:
    """Publish the manifest of what the shard holds now, and masks that name it as their input; their version."""
    limits = LimitSettings()
    manifest = build_manifest(source_of(home, shard), max_pixels=limits.max_pixels, min_side=limits.min_side)
    publish_manifest(home, manifest, {"limits": limits.model_dump()})
    provenance = {"inputs": {"shard_manifest": manifest.fingerprint}, "note": note}
    writer = MaskShardWriter(home.versions_of("hierarchical_masks", shard), version_of(provenance), manifest.keys)
    for key in manifest.keys:
        writer.add(key, grid_masks(SIZE[::-1]) if masks is None else masks)
    return writer.finish(provenance)
