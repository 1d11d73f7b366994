"""Photos to measure on, and their tokens, kept between runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.quality_cache import stored_arrays
from models.backbone import Backbone
from ops.features import extract
from ops.sample_photos import SAMPLE_PHOTOS
from stores.images import decode_image

DATA = Path("../shared/data")
_FOLDERS = ("coco_train/images", "bsds500_train")


def load_photos(count: int, data: Path = DATA) -> dict[str, np.ndarray]:
    """RGB pixels by name: as many from each of two folders of `data`; where it is not, the photos of scikit-image."""
    paths = [path for folder in _FOLDERS for path in sorted((data / folder).glob("*.jpg"))[: -(-count // 2)]]
    if not paths:
        paths = [photo.path for photo in SAMPLE_PHOTOS]
    return {path.name: decode_image(path.read_bytes()) for path in paths[:count]}


def tokens_of(name: str, photo: np.ndarray, backbone: Backbone, cache: Path | None) -> np.ndarray:
    """Features float32 (h, w, C) at the backbone's own size; with a `cache`, read from there if they are there."""

    def compute() -> dict[str, np.ndarray]:
        return {"tokens": extract(backbone, [photo], backbone.defaults.size)[0]}

    if cache is None:
        return compute()["tokens"]
    return stored_arrays(cache / f"{backbone.name}_{backbone.weight_hash}_{name}.npz", compute)["tokens"]
