"""Command lines about assets of a shard whose photos are those of a dataset with human masks."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ops.datasets import load_datasets, pick
from ops.ground_truth import GroundTruth, ImageId
from stores.home import Home
from stores.mask_store import MaskShardReader, open_masks


@dataclass(frozen=True)
class DatasetShard:
    """Name and human masks of the dataset, the shard's key of each image, and the masks of each asset (UNSAM_HOME)."""

    name: str
    truth: GroundTruth
    keys: dict[ImageId, str]
    assets: dict[str, MaskShardReader]


def parse(description: str, limit: int | None = None) -> DatasetShard:
    """What the command line names: DATASET SHARD ASSET ... [--file REGISTER] [--limit N], by default `limit` photos."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("dataset", help="of the register")
    parser.add_argument("shard")
    parser.add_argument("assets", nargs="+")
    parser.add_argument("--file", default="", help="register of datasets")
    parser.add_argument("--limit", type=int, default=limit)
    arguments = parser.parse_args()
    (dataset,) = pick(load_datasets(arguments.file), [arguments.dataset])
    truth = dataset.load(arguments.limit)
    keys = {image.image_id: image.path.relative_to(dataset.images_folder).as_posix() for image in truth.images}
    home = Home.from_environment()
    return DatasetShard(
        dataset.name, truth, keys, {asset: open_masks(home, asset, arguments.shard) for asset in arguments.assets}
    )
