"""What `pixel_tree` costs beyond the backbone's forward pass, on a photo of 640x480 and on one of 2250x1500.

python -m benchmarks.pixel_tree_cost
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut
from threadpoolctl import threadpool_limits

from benchmarks.machine import describe_machine, median_ratio, peak_gigabytes
from models.backbone import Backbone
from models.backbones import load_backbone
from ops.pixel_tree import pixel_tree
from ops.settings import LabelSettings
from stores.masks import MaskSet

_ROUNDS = 5
_USUAL, _LARGE = (640, 480), (2250, 1500)
_MOST_SECONDS, _MOST_RATIO, _MOST_GIGABYTES = 1.0, 6.0, 1.5


class PreparedBackbone(Backbone):
    """Answers with stages that were computed before, so that only the rest is timed."""

    def __init__(self, inner: Backbone) -> None:
        super().__init__(inner.name, inner.stride, inner.dim, inner.defaults)
        self.inner = inner
        self.known: dict[tuple[int, ...], list[torch.Tensor]] = {}

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        key = tuple(pixels.shape)
        if key not in self.known:
            self.known[key] = self.inner.stages(pixels)
        return self.known[key]


def photo(size: tuple[int, int]) -> np.ndarray:
    """scikit-image's astronaut, cropped to the aspect of `size` (width, height) and resized to it."""
    source = Image.fromarray(astronaut())
    width, height = size
    cropped = source.crop((0, 0, 512, round(512 * height / width)))
    return np.asarray(cropped.resize(size, Image.Resampling.LANCZOS))


def processor_seconds(work: Callable[[], object]) -> float:
    """Of all threads together: other processes on the machine hardly change it, and idle cores gain nothing."""
    start = time.process_time()
    work()
    return time.process_time() - start


def label(image: np.ndarray, backbone: Backbone) -> MaskSet:
    return pixel_tree(image, MaskSet.empty(image.shape[:2]), backbone, LabelSettings())


def peak_memory() -> None:
    """Print this process's peak in GB after one forward pass, and after the large photo's masks as well."""
    backbone = load_backbone()
    backbone.stages(torch.zeros(1, 3, 480, 640))
    before = peak_gigabytes()
    label(photo(_LARGE), backbone)
    print(f"{before:.2f} {peak_gigabytes():.2f}")


def main() -> None:
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    print(describe_machine())
    with threadpool_limits(1):
        seconds()
    command = [sys.executable, "-c", "from benchmarks.pixel_tree_cost import peak_memory; peak_memory()"]
    before, peak = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    print(f"2250x1500: process peak {peak:.2f} GB; libraries, backbone and a forward pass alone {before:.2f} GB")
    print(f"  (bar {_MOST_GIGABYTES} GB)")


def seconds() -> None:
    """Print the times of one core."""
    backbone = load_backbone()
    prepared = PreparedBackbone(backbone)
    usual, large = photo(_USUAL), photo(_LARGE)
    masks = [len(label(image, prepared)) for image in (usual, large)]
    sides = (
        lambda: label(usual, prepared),
        lambda: label(large, prepared),
        lambda: backbone.stages(torch.zeros(1, 3, 480, 640)),
    )
    small, big, forward = zip(*([processor_seconds(side) for side in sides] for _ in range(_ROUNDS)), strict=True)
    ratio = median_ratio(list(big), list(small))
    print(f"640x480: {statistics.median(small):.2f} s of one core beyond the forward pass, {masks[0]} masks")
    print(f"  (bar {_MOST_SECONDS} s; {median_ratio(list(small), list(forward)):.2f}x the forward pass)")
    print(f"2250x1500: {ratio:.2f}x of that, {masks[1]} masks (bar {_MOST_RATIO}x)")


if __name__ == "__main__":
    main()
