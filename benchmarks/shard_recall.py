"""Recall of assets on a shard whose photos have human masks: is round 2 better than round 1?

python -m benchmarks.shard_recall DATASET SHARD round1_masks unsam_masks [...] [--file REGISTER]

Each asset is scored on all photos of the dataset, which are those of the shard (UNSAM_HOME), and compared with the
first on the same photos. `unsam evaluate` scores the same masks, computed in a home of the dataset's own.
"""

from __future__ import annotations

import argparse

from benchmarks.machine import describe_machine
from benchmarks.recall_beside import report
from ops.datasets import load_datasets, pick
from stores.home import Home
from stores.mask_store import open_masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="of the register")
    parser.add_argument("shard")
    parser.add_argument("assets", nargs="+")
    parser.add_argument("--file", default="", help="register of datasets")
    arguments = parser.parse_args()
    (dataset,) = pick(load_datasets(arguments.file), [arguments.dataset])
    truth = dataset.load(None)
    key_of = {image.image_id: image.path.relative_to(dataset.images_folder).as_posix() for image in truth.images}
    print(f"{describe_machine()}; {dataset.name}, {len(truth.images)} photos")
    first = None
    for asset in arguments.assets:
        masks = open_masks(Home.from_environment(), asset, arguments.shard)
        found = report(asset, {image: masks[key] for image, key in key_of.items() if key in masks}, truth, first)
        first = first or found


if __name__ == "__main__":
    main()
