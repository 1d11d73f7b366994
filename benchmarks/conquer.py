"""Conquer of one image over the forward passes that it cannot do without: `python -m benchmarks.conquer`.

Bar: at most 1.25, for the papers' stage: merging, coverage, suppression and the tree on top of the batched crops'
forward, ViT-S/8, crops of 256 x 256. What our additions cost is printed beside it: the same merge on the whole image
(its forward counts below the line too) and the CRF over the finest clusters. Weights of the ViT come from the hub;
where it cannot be reached they are random, and the output says so: times hardly depend on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from skimage.segmentation import felzenszwalb

from benchmarks.crf import load_photos
from benchmarks.machine import alternate, describe_machine, median_ratio
from models.backbone import Backbone
from models.backbones import BACKBONES, WeightsUnavailable, load_backbone
from ops.conquer import conquer_image, divide_regions
from ops.features import extract
from ops.settings import BackboneSettings, ConquerSettings, LabelSettings
from stores.masks import MaskSet

BAR = 1.25
NAMES = ("vit_small_patch8_224.dino", "augnet_resnet50")
OBJECTS, LEAST_SHARE = 6, 0.01


@dataclass(frozen=True)
class Case:
    """What conquer does beyond the crops."""

    name: str
    whole_image: bool
    refine: bool

    def settings(self, backbone: Backbone) -> LabelSettings:
        conquer = ConquerSettings(whole_image=self.whole_image, refine=self.refine)
        return LabelSettings(backbone=BackboneSettings(name=backbone.name), conquer=conquer)


CASES = (
    Case("papers' stage", whole_image=False, refine=False),
    Case("+ whole image", whole_image=True, refine=False),
    Case("+ whole image + CRF", whole_image=True, refine=True),
)


def backbone_of(name: str) -> Backbone:
    """The backbone with its own weights, or with random ones where the hub cannot be reached."""
    try:
        backbone = load_backbone(name)
        weights = "its own weights"
    except WeightsUnavailable:
        torch.manual_seed(0)
        backbone = BACKBONES[name].build().finish("cpu", load_backbone().dtype)
        weights = "random weights, the hub cannot be reached"
    print(f"\n{name}, {str(backbone.dtype).removeprefix('torch.')}, {weights}")
    return backbone


def objects_of(image: np.ndarray) -> MaskSet:
    """Felzenszwalb's largest regions as divide masks."""
    labels = felzenszwalb(image, scale=1000, sigma=0.8, min_size=int(LEAST_SHARE * image[..., 0].size))
    largest = np.argsort(-np.bincount(labels.reshape(-1)), kind="stable")[:OBJECTS]
    return MaskSet.from_dense((labels == label for label in largest), image.shape[:2])


def forward_alone(image: np.ndarray, divide: MaskSet, backbone: Backbone, settings: LabelSettings) -> None:
    """The same inputs through the network, resizing included, and nothing else."""
    regions = divide_regions(divide, settings.conquer)
    extract(backbone, [r.cut_from(image) for r in regions], settings.conquer.crop_size, resample="bicubic")
    if settings.conquer.whole_image:
        extract(backbone, [image], settings.backbone.size)


def measure(backbone: Backbone, photos: list[np.ndarray], case: Case, rounds: int) -> float:
    """Median ratio over photos; prints both sides."""
    settings = case.settings(backbone)
    whole, alone, ratios, masks, crops = [], [], [], [], []
    for image in photos:
        divide = objects_of(image)
        sides: tuple[Callable[[], object], ...] = (
            lambda image=image, divide=divide: conquer_image(image, divide, backbone, settings),
            lambda image=image, divide=divide: forward_alone(image, divide, backbone, settings),
        )
        masks.append(len(conquer_image(image, divide, backbone, settings)))
        crops.append(len(divide))
        conquer, forward = alternate(*sides, rounds=rounds)
        whole.append(median(conquer))
        alone.append(median(forward))
        ratios.append(median_ratio(conquer, forward))
    print(
        f"  {case.name:20} conquer {median(whole) * 1e3:6.0f} ms, forward alone {median(alone) * 1e3:6.0f} ms, "
        f"{median(crops):.0f} crops -> {median(masks):.0f} masks: {median(ratios):.2f}",
        flush=True,
    )
    return median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/coco_train/images"))
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(describe_machine())
    photos = load_photos(arguments.photos, arguments.images)
    for name in NAMES:
        backbone = backbone_of(name)
        ratios = [measure(backbone, photos, case, arguments.rounds) for case in CASES]
        print(f"  bar <= {BAR}, papers' stage: {'pass' if ratios[0] <= BAR else 'MISS'} at {ratios[0]:.2f}")


if __name__ == "__main__":
    main()
