"""How well labels foretell which pixels people hold together, which is all that a grouping model learns from them.

python -m benchmarks.label_membership DATASET SHARD hierarchical_masks round2_labels [--file REGISTER] [--limit 40]

The shard's photos are those of the dataset (UNSAM_HOME). Of each photo pairs of cells of a grid, random ones and
neighbours, are ranked by the share of masks that hold one and hold the other too, by the labels (as the loss takes
them) and by its human masks. Prints the means of both rank correlations. Use photos that are not scored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pycocotools import mask as rle
from scipy.stats import spearmanr

from benchmarks.dataset_shard import parse
from benchmarks.machine import describe_machine
from ops.grouping.losses import memberships
from ops.grouping.settings import GroupingLossSettings

GRID = (80, 80)
PAIRS = 4000
WHOLE = GroupingLossSettings().whole


def shared(masks: Sequence[np.ndarray], score: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of masks (pairs,) of random pairs (2, pairs) of cells, and of all neighbours across; masks (H, W) bool."""
    bits = torch.from_numpy(np.stack([np.packbits(mask, axis=1) for mask in masks]))
    told = memberships(bits, masks[0].shape[1], torch.tensor(score), GRID, WHOLE).numpy()
    flat = told.reshape(len(told), -1)
    return (flat[:, pairs[0]] * flat[:, pairs[1]]).sum(0), (told[:, :, 1:] * told[:, :, :-1]).sum(0).reshape(-1)


def main() -> None:
    given = parse(__doc__.splitlines()[0], limit=40)
    human = given.truth.masks_by_image()
    found: dict[str, list[tuple[float, float]]] = {asset: [] for asset in given.assets}
    generator = np.random.default_rng(0)
    for image, key in given.keys.items():
        drawn = [rle.decode(mask.rle).astype(bool) for mask in human[image] if not mask.crowd]
        if len(drawn) < 2:
            continue
        pairs = generator.integers(0, GRID[0] * GRID[1], (2, PAIRS))
        wanted = shared(drawn, np.ones(len(drawn), np.float32), pairs)
        for asset, reader in given.assets.items():
            masks = reader[key]
            own = shared([masks.dense(index) for index in range(len(masks))], masks.score, pairs)
            found[asset].append(tuple(spearmanr(a, b).statistic for a, b in zip(own, wanted, strict=True)))
    print(f"{describe_machine()}; {given.name}")
    for asset, correlations in found.items():
        far, near = np.nanmean(correlations, axis=0)
        print(f"{asset}, {len(correlations)} photos: random pairs {far:.3f}, neighbours {near:.3f}")


if __name__ == "__main__":
    main()
