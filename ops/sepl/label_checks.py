"""Is what a stage of label maps wrote what it promises? Read back from the store, image by image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stores.label_map_store import LabelShardReader
from stores.label_maps import IGNORE
from stores.manifests import Manifest

LABEL_CHECKS = ("known_labels", "sizes_of_photos", "tagged_classes_only")
PREDICTION_CHECKS = ("known_labels", "sizes_of_photos")


def check_labels(
    reader: LabelShardReader,
    manifest: Manifest,
    classes: int,
    tags: Mapping[str, tuple[int, ...]] | None = None,
) -> dict[str, list[str]]:
    """Problems by check, a sentence each with the image's key; empty lists where all is well.

    Args:
        manifest: of the shard, with the sizes of its photos.
        classes: labels, the background included.
        tags: label numbers by key; None leaves out the check that other classes do not occur.
    """
    sizes = {entry.key: (entry.height, entry.width) for entry in manifest.entries}
    problems: dict[str, list[str]] = {name: [] for name in (PREDICTION_CHECKS if tags is None else LABEL_CHECKS)}
    for key, labels in reader.items("labels"):
        found = set(np.unique(labels).tolist()) - {0, IGNORE}
        if any(label >= classes for label in found):
            problems["known_labels"].append(f"{key}: labels {sorted(found)} of {classes}")
        if labels.shape != sizes.get(key):
            problems["sizes_of_photos"].append(f"{key}: labels {labels.shape}, photo {sizes.get(key)}")
        if tags is not None and found - set(tags.get(key, ())):
            problems["tagged_classes_only"].append(f"{key}: labels {sorted(found)}, tags {tags.get(key, ())}")
    return problems
