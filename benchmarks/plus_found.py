"""What UnSAM+ finds that a model of human masks alone does not: `python -m benchmarks.plus_found [--file REGISTER]`.

Reads the masks that `unsam evaluate` made of each dataset (UNSAM_HOME) and counts human regions that one model covers
with an IoU of at least 0.5 and the other does not. No bar: it is reported.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np

from ops.datasets import Dataset, load_datasets
from ops.evaluation_photos import StoredMasks, evaluation_home, register_photos
from ops.ground_truth import GroundTruth, ImageId
from ops.metrics import best_overlaps
from stores.home import Home
from stores.mask_store import open_masks
from stores.masks import MaskSet

FOUND = 0.5
ASSETS = ("unsam_plus_masks", "human_only_masks", "unsam_masks")


def found_regions(predictions: Mapping[ImageId, MaskSet], truth: GroundTruth) -> np.ndarray:
    """Which human regions some mask covers, (regions,) bool, in the order of the dataset; crowds left out."""
    grouped = truth.masks_by_image()
    found = []
    for image_id in truth.image_ids:
        humans = [mask.rle for mask in grouped[image_id] if not mask.crowd]
        masks = predictions.get(image_id)
        found.append(np.zeros(len(humans)) if masks is None else best_overlaps(masks, humans))
    return np.concatenate(found) >= FOUND


def compare(home: Home, dataset: Dataset) -> None:
    truth = dataset.load(None)
    place = evaluation_home(home, dataset.name)
    photos = register_photos(place, dataset.images_folder, truth)
    found = {}
    for asset in ASSETS:
        readers = {shard: open_masks(place, asset, shard) for shard in photos.sources}
        found[asset] = found_regions(StoredMasks(photos, readers), truth)
    plus, human = found["unsam_plus_masks"], found["human_only_masks"]
    print(f"{dataset.name}, {len(plus)} human regions, found at IoU {FOUND}:")
    for asset, regions in found.items():
        print(f"  {asset}: {regions.mean():.1%}")
    print(f"  by UnSAM+ and not by human masks alone: {(plus & ~human).mean():.1%}")
    print(f"  by human masks alone and not by UnSAM+: {(human & ~plus).mean():.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", default="", help="register of datasets")
    for dataset in load_datasets(parser.parse_args().file).values():
        compare(Home.from_environment(), dataset)


if __name__ == "__main__":
    main()
