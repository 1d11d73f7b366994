"""Recall of the masks that `unsam evaluate` made of a dataset, beside each other on the same photos.

python -m benchmarks.evaluated_recall DATASET ASSET ASSET ... [--file REGISTER] [--limit 20]

Nothing is computed again (UNSAM_HOME). Prints the scores of each asset, and what it has beyond the first: recall, and
the share of human regions that it covers with an IoU of at least 0.5 and the first does not, and the other way round.
For UnSAM+: human_only_masks goes first, then round1_masks or unsam_masks, then unsam_plus_masks.
"""

from __future__ import annotations

import argparse

from benchmarks.machine import describe_machine
from benchmarks.recall_beside import report
from ops.datasets import load_datasets, pick
from ops.evaluation_photos import StoredMasks, evaluation_home, register_photos
from stores.home import Home
from stores.mask_store import open_masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="of the register")
    parser.add_argument("assets", nargs="+")
    parser.add_argument("--file", default="", help="register of datasets")
    parser.add_argument("--limit", type=int, help="as `unsam evaluate` was given")
    arguments = parser.parse_args()
    (dataset,) = pick(load_datasets(arguments.file), [arguments.dataset])
    truth = dataset.load(arguments.limit)
    place = evaluation_home(Home.from_environment(), dataset.name)
    photos = register_photos(place, dataset.images_folder, truth)
    print(f"{describe_machine()}; {dataset.name}, {len(truth.images)} photos")
    first = None
    for asset in arguments.assets:
        readers = {shard: open_masks(place, asset, shard) for shard in photos.sources}
        found = report(asset, StoredMasks(photos, readers), truth, first)
        first = first or found


if __name__ == "__main__":
    main()
