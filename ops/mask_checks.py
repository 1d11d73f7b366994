"""Is what a stage wrote what it promises? Read back from the store, image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ops.mask_tree import check_tree
from stores.mask_store import MaskShardReader, check_masks
from stores.masks import MaskSet


def check_shard(reader: MaskShardReader, names: Iterable[str], most_masks: int) -> dict[str, list[str]]:
    """Problems by check, a sentence each with the image's key; empty lists where all is well.

    Args:
        names: of `ops.check_names.TREE_CHECKS`.
        most_masks: an image may have that many. An image without any is fine: there may be nothing in it.
    """
    problems: dict[str, list[str]] = {name: [] for name in names}
    checks: dict[str, Callable[[MaskSet], list[str]]] = {
        "non_empty": _empty_masks,
        "inside_frame": _outside_frame,
        "no_duplicates": _duplicates,
        "count_within_bounds": lambda masks: [f"{len(masks)} masks"] if len(masks) > most_masks else [],
        "tree_consistent": check_tree,
    }
    for key, masks in reader.items():
        for name, found in problems.items():
            found += [f"{key}: {problem}" for problem in checks[name](masks)]
    return problems


def _empty_masks(masks: MaskSet) -> list[str]:
    return [f"mask {index} has no pixel" for index in np.flatnonzero(masks.areas() == 0)]


def _outside_frame(masks: MaskSet) -> list[str]:
    try:
        check_masks(masks, "it")
    except ValueError as error:
        return [str(error)]
    return []


def _duplicates(masks: MaskSet) -> list[str]:
    seen: dict[bytes, int] = {}
    problems = []
    for index in range(len(masks)):
        content = masks.boxes[index].tobytes() + masks.bits[masks.offsets[index] : masks.offsets[index + 1]].tobytes()
        if content in seen:
            problems.append(f"mask {index} equals mask {seen[content]}")
        seen.setdefault(content, index)
    return problems
