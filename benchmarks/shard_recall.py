"""Recall of assets on a shard whose photos have human masks: is round 2 better than round 1?

python -m benchmarks.shard_recall DATASET SHARD round1_masks unsam_masks [...] [--file REGISTER] [--limit 20]

Each asset is scored on all photos of the dataset, which are those of the shard (UNSAM_HOME), and compared with the
first on the same photos. `unsam evaluate` scores the same masks, computed in a home of the dataset's own.
"""

from __future__ import annotations

from benchmarks.dataset_shard import parse
from benchmarks.machine import describe_machine
from benchmarks.recall_beside import report


def main() -> None:
    given = parse(__doc__.splitlines()[0])
    print(f"{describe_machine()}; {given.name}, {len(given.truth.images)} photos")
    first = None
    for asset, reader in given.assets.items():
        masks = {image: reader[key] for image, key in given.keys.items() if key in reader}
        found = report(asset, masks, given.truth, first)
        first = first or found


if __name__ == "__main__":
    main()
