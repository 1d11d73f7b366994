"""Peak memory of predicting 1000 masks on a photo of 2250x1500, above the model itself.

The model has the papers' sizes (2000 queries) and random weights: each of its masks is speckles all over the photo,
which is the most that a mask can take. Run: python -m benchmarks.prediction_memory [--preset small]
"""

from __future__ import annotations

import argparse
import time

import torch
from skimage.data import astronaut
from skimage.transform import resize

from benchmarks.machine import describe_machine, peak_gigabytes, verdict
from models.whole_image import WholeImageModel
from ops.features import normalise_pixels
from ops.predict import predict
from ops.training_settings import PREDICTION_PRESETS, TRAINING_PRESETS

_HEIGHT, _WIDTH = 1500, 2250
_MASKS = 1000
_BAR = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper", choices=TRAINING_PRESETS)
    preset = parser.parse_args().preset
    print(describe_machine())
    torch.manual_seed(0)
    shape = TRAINING_PRESETS[preset].model
    model = WholeImageModel(shape).eval()
    settings = PREDICTION_PRESETS[preset].model_copy(update={"max_masks": _MASKS, "nms_iou": None})
    image = (resize(astronaut(), (_HEIGHT, _WIDTH)) * 255).astype("uint8")
    with torch.inference_mode():
        model(normalise_pixels(image[None, :64, :64]))
    before, begun = peak_gigabytes(), time.perf_counter()
    (found,) = predict(model, [image], settings)
    seconds, above = time.perf_counter() - begun, peak_gigabytes() - before
    print(f"preset {preset}, {shape.queries} queries, {shape.backbone}: {len(found.masks)} masks in {seconds:.1f} s")
    print(f"{above:.2f} GB above the model and its libraries ({before:.2f} GB); bar {_BAR}: {verdict(above <= _BAR)}")


if __name__ == "__main__":
    main()
