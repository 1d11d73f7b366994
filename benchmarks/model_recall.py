"""What several whole-image models find in a dataset, and what each finds beyond the first.

python -m benchmarks.model_recall DATASET MODEL MODEL ... [--side 256] [--file REGISTER] [--limit 20]

Each MODEL is a safetensors file. Prints AR@1000 and AR@100 with their standard errors, AR of small, medium and large
masks, AP, and the share of human regions that the model covers with an IoU of at least 0.5 and the first one does not,
and the other way round. For UnSAM+: the model of human masks alone goes first, then UnSAM and UnSAM+, whose AR@1000
must be above both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.input_sides import predicted
from benchmarks.machine import describe_machine
from benchmarks.plus_found import found_regions
from models.whole_image import load_whole_image
from ops.datasets import load_datasets, pick
from ops.evaluation import evaluate

SHOWN = ("AR@1000", "AR@1000_error", "AR@100", "AR@100_error", "AR_small", "AR_medium", "AR_large", "AP")


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
    first = None
    for path in arguments.models:
        masks = predicted(load_whole_image(path), truth, arguments.side)
        numbers, found = evaluate(masks, truth).numbers(), found_regions(masks, truth)
        first = found if first is None else first
        shown = ", ".join(f"{name} {100 * value:.1f}" for name in SHOWN if (value := numbers.get(name)) is not None)
        print(f"{dataset.name}, {len(truth.images)} photos, {path}: {shown}")
        print(f"  of {len(found)} regions {(found & ~first).mean():.1%} beyond the first model, ", end="")
        print(f"{(first & ~found).mean():.1%} only by the first", flush=True)


if __name__ == "__main__":
    main()
