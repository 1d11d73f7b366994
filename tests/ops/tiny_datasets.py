"""Datasets of two photos each, written as their publishers do: rectangles on photos of 60 x 80 pixels."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from skimage import data

from stores.masks import SOURCES, MaskSet
from stores.sa1b import write_sa1b

SIZE = (60, 80)
RECTANGLES = {1: [(5, 5, 30, 20), (40, 30, 35, 25)], 2: [(0, 0, 20, 60)]}


def rectangle(x: int, y: int, w: int, h: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + h, x : x + w] = True
    return mask


def write_photo(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = Image.fromarray([data.coffee(), data.chelsea()][number % 2]).resize((SIZE[1], SIZE[0]))
    photo.save(path, quality=92)


def coco_document() -> dict:
    annotations = [
        {"image_id": image, "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]], "area": w * h, "iscrowd": 0}
        for image, rectangles in RECTANGLES.items()
        for x, y, w, h in rectangles
    ]
    numbered = [annotation | {"id": number, "category_id": 1} for number, annotation in enumerate(annotations, 1)]
    images = [{"id": i, "file_name": f"{i:04}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in RECTANGLES]
    return {"images": images, "annotations": numbered, "categories": [{"id": 1, "name": "thing"}]}


def write_coco(folder: Path, document: dict | None = None) -> None:
    for image in RECTANGLES:
        write_photo(folder / "images" / f"{image:04}.jpg", image)
    (folder / "instances.json").write_text(json.dumps(document or coco_document()))


def write_sa1b_pairs(folder: Path) -> None:
    items = []
    for image, rectangles in RECTANGLES.items():
        write_photo(folder / f"sa_{image}.jpg", image)
        masks = MaskSet.from_dense([rectangle(*box) for box in rectangles], SIZE, source=SOURCES.index("human"))
        items.append((f"sa_{image}.jpg", masks))
    write_sa1b(str(folder), items)


def write_ade20k(folder: Path) -> None:
    """Class 3 for all; what is no instance keeps its class in red and 0 in green."""
    (folder / "annotations_instance").mkdir(parents=True)
    for image, rectangles in RECTANGLES.items():
        write_photo(folder / "images" / f"ADE_val_{image:08}.jpg", image)
        picture = np.zeros((*SIZE, 3), np.uint8)
        picture[:, :, 0] = 3
        for number, box in enumerate(rectangles, 1):
            picture[rectangle(*box), 1] = number
        Image.fromarray(picture).save(folder / "annotations_instance" / f"ADE_val_{image:08}.png")


def write_bsds500(folder: Path) -> None:
    """One annotator, who outlines the rectangles; the rest is a region too."""
    for image, rectangles in RECTANGLES.items():
        write_photo(folder / f"{image}.jpg", image)
        labels = np.ones(SIZE, np.uint16)
        for number, box in enumerate(rectangles, 2):
            labels[rectangle(*box)] = number
        write_bsds500_labels(folder / f"{image}.mat", [labels])


def write_bsds500_labels(path: Path, annotators: list[np.ndarray]) -> None:
    cells = np.empty((1, len(annotators)), object)
    for column, labels in enumerate(annotators):
        cells[0, column] = {"Segmentation": labels, "Boundaries": np.zeros_like(labels)}
    savemat(path, {"groundTruth": cells})


WRITERS = {"coco": write_coco, "sa1b": write_sa1b_pairs, "ade20k": write_ade20k, "bsds500": write_bsds500}
