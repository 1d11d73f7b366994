"""What half precision and int8 tokens in the feature store change in the masks, and what they save.

Run: `python -m benchmarks.feature_store_effect [--photos 20] [--cache FOLDER]`. Tokens of `augnet_resnet50` at 480
pixels go through a real store and back; MaskCut with its default settings then cuts them, and the float32 tokens too.
A mask's IoU is that with the mask of the same place in the order of cutting; one without counterpart counts as 0.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import zip_longest
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.photos import load_photos, tokens_of
from models.backbones import load_backbone
from ops.features import normalise_tokens
from ops.maskcut import maskcut
from ops.settings import DivideSettings
from stores.feature_store import FeatureShardReader, FeatureShardWriter
from stores.home import Home


def main() -> None:
    arguments = _parser().parse_args()
    print(describe_machine())
    backbone = load_backbone()
    photos = load_photos(arguments.photos)
    tokens = {name: tokens_of(name, photo, backbone, arguments.cache) for name, photo in photos.items()}
    exact = {name: _masks(grid, backbone.defaults.tau) for name, grid in tokens.items()}
    count, size = sum(len(masks) for masks in exact.values()), sum(grid.nbytes for grid in tokens.values())
    print(f"{len(photos)} photos, {count} masks; float32 in memory: {size / len(photos) / 1e6:.1f} MB a photo")
    for precision in ("float16", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            reader, stored = _stored(Path(folder), tokens, precision)
            ious = [
                iou
                for name, masks in exact.items()
                for iou in _ious(masks, _masks(reader[name], backbone.defaults.tau))
            ]
        same = np.mean([iou == 1 for iou in ious])
        print(
            f"{precision}: {stored / len(photos) / 1e6:.2f} MB a photo on disk, {stored / size:.2f} of float32; "
            f"mask IoU mean {np.mean(ious):.5f}, least {min(ious):.4f}, identical masks {same:.1%}"
        )


def _stored(folder: Path, tokens: dict[str, np.ndarray], precision: str) -> tuple[FeatureShardReader, int]:
    versions = Home(folder).versions("features", "dino_features", "photos")
    writer = FeatureShardWriter(versions, "v1", tokens, precision=precision)  # type: ignore[arg-type]
    for name, grid in tokens.items():
        writer.add(name, grid)
    writer.finish({})
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return FeatureShardReader(versions), written


def _masks(tokens: np.ndarray, tau: float) -> np.ndarray:
    return maskcut(normalise_tokens(tokens, centre=True), DivideSettings(), tau).masks


def _ious(first: np.ndarray, second: np.ndarray) -> list[float]:
    empty = np.zeros(first.shape[1:], bool)
    pairs = list(zip_longest(first, second, fillvalue=empty))
    return [float(np.count_nonzero(a & b) / np.count_nonzero(a | b)) for a, b in pairs]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--cache", type=Path, help="folder in which tokens are kept between runs")
    return parser


if __name__ == "__main__":
    main()
