"""Features and MaskCut of a photo against the backbone's own forward: how little MaskCut adds.

Run: `python -m benchmarks.features_maskcut [--photos 2] [--cache FOLDER]`. ViT-S/8 at 480 pixels, one photo a pass, in
bfloat16 where the processor has it. The numerator is resizing, the forward as far as the last block's keys, unit tokens
and three masks of MaskCut without a CRF; the denominator is the same network's whole forward on prepared pixels.

Weights of DINO cannot be had offline, so the network's are random; time does not depend on them, but masks do. MaskCut
therefore cuts tokens of the same shape (60, 60, 384) that come from `augnet_resnet50`, its channels brought to 384 by
their principal axes. Its time still counts after a real forward, in the same call.

Bar: ratio <= 1.2.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.machine import alternate, describe_machine, median_ratio, verdict
from benchmarks.photos import load_photos, tokens_of
from models.backbone import resolve_precision
from models.backbones import load_backbone
from models.vision_transformer import KeyTransformer
from ops.features import extract, normalise_pixels, normalise_tokens
from ops.maskcut import maskcut
from ops.settings import DivideSettings

BAR, AIM = 1.2, 1.12
ROUNDS = 3
SIZE = 480
NAME = "vit_small_patch8_224"


def main() -> None:
    arguments = _parser().parse_args()
    print(describe_machine())
    network = _untrained_vit()
    print(f"{NAME}, {SIZE} px, {network.dtype}, random weights; {torch.get_num_threads()} threads")
    photos = load_photos(arguments.photos)
    offline = load_backbone()
    columns: list[list[float]] = [[], [], []]
    for name, photo in photos.items():
        tokens = _with_channels(tokens_of(name, photo, offline, arguments.cache), network.dim)
        sides = _sides(network, photo, tokens, offline.defaults.tau)
        for side in sides:
            side()
        for column, times in zip(columns, alternate(*sides, rounds=ROUNDS), strict=True):
            column += times
    _report(*columns)


def _sides(
    network: KeyTransformer, photo: np.ndarray, tokens: np.ndarray, tau: float
) -> tuple[Callable[[], object], ...]:
    settings = DivideSettings(max_masks=3)
    pixels = network.prepare(normalise_pixels(np.zeros((1, SIZE, SIZE, 3), np.uint8)))

    def whole_forward() -> None:
        with torch.inference_mode():
            network.body(pixels)

    def cut() -> None:
        maskcut(tokens, settings, tau)

    def features_and_cut() -> None:
        normalise_tokens(extract(network, [photo], SIZE)[0], centre=False)
        cut()

    return whole_forward, features_and_cut, cut


def _report(forward: list[float], both: list[float], cut: list[float]) -> None:
    ratio = median_ratio(both, forward)
    milliseconds = [1000 * median(times) for times in (forward, both, cut)]
    print("ms a photo: whole forward {:.0f}, features and MaskCut {:.0f}; MaskCut alone {:.1f}".format(*milliseconds))
    print(f"ratio {ratio:.3f} (bar <= {BAR}: {verdict(ratio <= BAR)}; aim <= {AIM}: {verdict(ratio <= AIM)})")
    print(f"MaskCut alone over the whole forward: {median_ratio(cut, forward):.3f}")


def _untrained_vit() -> KeyTransformer:
    torch.manual_seed(0)
    defaults = load_backbone().defaults
    network = KeyTransformer(NAME, NAME, defaults)
    network.finish("cpu", resolve_precision("auto", "cpu"))
    return network


def _with_channels(tokens: np.ndarray, channels: int) -> np.ndarray:
    """Unit tokens (h, w, channels) on the principal axes of centred tokens (h, w, C)."""
    flat = tokens.reshape(-1, tokens.shape[2])
    flat = flat - flat.mean(axis=0)
    axes = np.linalg.eigh(flat.T @ flat)[1][:, -channels:]
    return normalise_tokens((flat @ axes).reshape(*tokens.shape[:2], channels), centre=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, default=2, help="photos, three rounds each")
    parser.add_argument("--cache", type=Path, help="folder in which tokens are kept between runs")
    return parser


if __name__ == "__main__":
    main()
