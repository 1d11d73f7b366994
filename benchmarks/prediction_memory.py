"""Peak memory of predicting 1000 masks on a photo of 2250x1500, above the model itself.

The model has the papers' sizes (2000 queries) and random weights: each of its masks is speckles all over the photo,
which is the most that a mask can take. Run: python -m benchmarks.prediction_memory [--preset small | grouping]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from skimage.data import astronaut
from skimage.transform import resize
from torch import nn

from benchmarks.machine import describe_machine, peak_gigabytes, verdict
from models.grouping import GroupingModel
from models.whole_image import WholeImageModel
from ops.features import normalise_pixels
from ops.grouping.predict import grouped_masks
from ops.predict import predict
from ops.training_settings import PREDICTION_PRESETS, TRAINING_PRESETS
from stores.masks import MaskSet

_HEIGHT, _WIDTH = 1500, 2250
_MASKS = 1000
_BAR = 1.5


def predictor(preset: str) -> tuple[nn.Module, Callable[[np.ndarray], MaskSet]]:
    """A model of a preset's sizes with random weights, and how it finds masks."""
    training, settings = TRAINING_PRESETS[preset], PREDICTION_PRESETS[preset]
    if training.learner == "grouping":
        grouping = GroupingModel(training.grouping).eval()
        return grouping, lambda image: grouped_masks(image, grouping, settings.grouping, _MASKS)
    queries = WholeImageModel(training.model).eval()
    every = settings.model_copy(update={"max_masks": _MASKS, "nms_iou": None})
    return queries, lambda image: predict(queries, [image], every)[0].masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper", choices=TRAINING_PRESETS)
    preset = parser.parse_args().preset
    print(describe_machine())
    torch.manual_seed(0)
    model, find = predictor(preset)
    image = (resize(astronaut(), (_HEIGHT, _WIDTH)) * 255).astype("uint8")
    with torch.inference_mode():
        model(normalise_pixels(image[None, :64, :64]))
    before, begun = peak_gigabytes(), time.perf_counter()
    masks = find(image)
    seconds, above = time.perf_counter() - begun, peak_gigabytes() - before
    print(f"preset {preset}: {len(masks)} masks in {seconds:.1f} s")
    print(f"{above:.2f} GB above the model and its libraries ({before:.2f} GB); bar {_BAR}: {verdict(above <= _BAR)}")


if __name__ == "__main__":
    main()
