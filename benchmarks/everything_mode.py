"""Everything mode against SAM's plain algorithm over the same model: time, peak memory, and whether masks are the same.

    python -m benchmarks.everything_mode [--model FILE] [--side 1024] [--points 32]

The plain algorithm (`benchmarks.plain_generator`) enlarges every mask to the photo, filters, and keeps dense masks
until box NMS. Both sides use box NMS here, so that their masks can be compared. Peak memory is that of a process of
each side's own, less that of one which only loads the model and encodes the photo. Without a file the model has random
weights and the IoU threshold is set so that a third of the masks is sure enough.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import numpy as np
import torch
from PIL import Image
from skimage import data

from benchmarks.click_latency import random_model
from benchmarks.machine import alternate, describe_machine, median_ratio, peak_gigabytes, verdict
from benchmarks.plain_generator import plain_generate
from models.promptable import PromptableModel, load_promptable
from models.prompts import Prompts
from ops.automatic.generator import AutomaticMaskGenerator
from ops.automatic.settings import GeneratorSettings
from ops.promptable.frame import Frame

_SURE = 1 / 3
_SIDES = ("nothing", "ours", "plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a .safetensors file; empty: the papers' shape, random weights")
    parser.add_argument("--side", type=int, default=1024, help="of the photo, and of the model without a file")
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=_SIDES, help="run one side and print its peak memory")
    options = parser.parse_args()
    model = load_promptable(options.model) if options.model else random_model(options.side)
    photo = np.asarray(Image.fromarray(data.astronaut()).resize((options.side, options.side)))
    settings = _settings(model, photo, options.points)
    generator = AutomaticMaskGenerator(model, settings, precision="float32")
    sides = {
        "nothing": lambda: None,
        "ours": lambda: generator.candidates(photo),
        "plain": lambda: plain_generate(model, photo, settings),
    }
    if options.only:
        sides[options.only]()
        print(peak_gigabytes())
        return
    found, (masks, _, _) = generator.candidates(photo), plain_generate(model, photo, settings)
    ours, plain = alternate(sides["ours"], sides["plain"], rounds=options.rounds)
    faster = median_ratio(plain, ours)
    print(describe_machine())
    print(f"photo {options.side} px, grid {options.points} a side, {len(found)} masks, {len(masks)} of the plain side")
    print(f"ours {min(ours):.1f} s, plain {min(plain):.1f} s: {faster:.2f} times, bar 2: {verdict(faster >= 2)}")
    empty, lean, full = (_peak(side, options) for side in _SIDES)
    share = (lean - empty) / (full - empty)
    print(f"memory beyond the model: ours {lean - empty:.2f} GB, plain {full - empty:.2f} GB")
    print(f"ours over plain {share:.2f}, bar 0.33: {verdict(share <= 1 / 3)}")
    same = len(found) == len(masks) and all(
        (found.masks.dense(index) == mask).mean() > 0.9995 for index, mask in enumerate(masks)
    )
    print(f"the same masks in the same order: {verdict(same)}")


@torch.inference_mode()
def _settings(model: PromptableModel, photo: np.ndarray, points: int) -> GeneratorSettings:
    """SAM's thresholds for a learned model; for a random one such that a third of the masks is sure and all stable."""
    frame = Frame((photo.shape[0], photo.shape[1]), model.shape.image_size)
    clicks = torch.rand(64, 1, 2, generator=torch.Generator().manual_seed(0)) * model.shape.image_size
    scores = model.answer(model.encode(frame.pixels(photo)), Prompts.clicks(clicks)).scores[:, 1:]
    threshold = float(scores.quantile(1 - _SURE).clamp(0, 1))
    return GeneratorSettings(
        points_per_side=points, pred_iou_thresh=threshold, stability_score_thresh=0.0, nms="boxes", nms_thresh=0.7
    )


def _peak(side: str, options: argparse.Namespace) -> float:
    command = [sys.executable, "-m", "benchmarks.everything_mode", "--only", side]
    command += ["--side", str(options.side), "--points", str(options.points)]
    command += ["--model", options.model] if options.model else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


if __name__ == "__main__":
    main()
