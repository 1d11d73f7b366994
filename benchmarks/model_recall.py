"""What several whole-image models find in a dataset, and what each finds beyond the first.

python -m benchmarks.model_recall DATASET MODEL MODEL ... [--side 256] [--file REGISTER] [--limit 20]

Each MODEL is a safetensors file. Prints AR@1000 and AR@100 with their standard errors, AR of small, medium and large
masks, AP, differences from the first model on the same photos, and the share of human regions that the model covers
with an IoU of at least 0.5 and the first one does not, and the other way round. For UnSAM+: the model of human masks
alone goes first, then UnSAM and UnSAM+, whose AR@1000 must be above both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.input_sides import predicted
from benchmarks.machine import describe_machine
from benchmarks.recall_beside import report
from models.whole_image import load_whole_image
from ops.datasets import load_datasets, pick


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="of the register")
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=256, help="shorter side of the model's input in pixels")
    parser.add_argument("--file", default="", help="register of datasets")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    (dataset,) = pick(load_datasets(arguments.file), [arguments.dataset])
    truth = dataset.load(arguments.limit)
    print(describe_machine())
    print(f"{dataset.name}, {len(truth.images)} photos")
    first = None
    for path in arguments.models:
        found = report(str(path), predicted(load_whole_image(path), truth, arguments.side), truth, first)
        first = first or found


if __name__ == "__main__":
    main()
