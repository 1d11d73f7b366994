"""Formats of human masks by name.

A reader is given the folder of the photos, the place of their annotations and a choice of image ids, and reads the
chosen images only. Every reader raises `DatasetError` for files that are missing, broken or of other images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ops.ground_truth import DatasetError, GroundTruth
from ops.ground_truth_json import read_coco, read_sa1b
from ops.ground_truth_maps import read_ade20k, read_bsds500
from ops.ground_truth_photos import Choice, every

FORMATS: dict[str, Callable[[Path, Path, Choice], GroundTruth]] = {
    "coco": read_coco,
    "sa1b": read_sa1b,
    "ade20k": read_ade20k,
    "bsds500": read_bsds500,
}


def load_ground_truth(name: str, folder: str | Path) -> GroundTruth:
    """Read the human masks of a folder of photos that is laid out in the usual way.

    Args:
        name: `coco` (`instances.json` beside `images/`), `sa1b` (`sa_N.jpg` beside `sa_N.json`), `ade20k`
            (`annotations_instance/` beside `images/`) or `bsds500` (`ID.jpg` beside `ID.mat`).
        folder: the folder that holds them.

    Raises:
        DatasetError: an unknown name, or files that are missing or broken.
    """
    folder = Path(folder)
    layouts = {
        "coco": (folder / "images", folder / "instances.json"),
        "sa1b": (folder, folder),
        "ade20k": (folder / "images", folder / "annotations_instance"),
        "bsds500": (folder, folder),
    }
    if name not in layouts:
        raise DatasetError(f"unknown ground truth {name!r}; there are {', '.join(layouts)}")
    return FORMATS[name](*layouts[name], every)
