"""Dense CRFs of all masks of an image against pydensecrf2, mask by mask: `python -m benchmarks.crf`.

Bar: at least 3 times as fast, median IoU of the masks at least 0.98. Needs the extra `benchmark` (pydensecrf2). Masks
are those that MaskCut makes, before any refinement: regions of an image of 480 x 480 pixels on a grid of 60 x 60.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import skimage.data
from PIL import Image
from skimage.segmentation import felzenszwalb

from benchmarks.machine import alternate, describe_machine, median_ratio
from ops.crf import DenseCrf
from ops.settings import CrfSettings

SPEED_BAR, IOU_BAR = 3.0, 0.98
SIDE, TOKENS, MASKS = 480, 60, 3
SAMPLES = ("astronaut", "coffee", "chelsea", "rocket")
SETTINGS = CrfSettings()


def pydensecrf_masks(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """One CRF a mask, as CutLER's code asks for it (spec 2.2): (n, h, w) bool."""
    return np.stack([_pydensecrf_mask(image, mask) for mask in masks])


def our_masks(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """One lattice for all masks, its construction included."""
    return DenseCrf(image, SETTINGS).refine(masks)


def load_photos(folder: Path, count: int) -> list[np.ndarray]:
    """Photos (SIDE, SIDE, 3) of a folder, else those in scikit-image."""
    paths = sorted(folder.glob("*.jpg"))[:count]
    photos = [Image.open(path).convert("RGB") for path in paths]
    if not photos:
        photos = [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in SAMPLES[:count]]
    return [np.asarray(photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS)) for photo in photos]


def token_masks(image: np.ndarray) -> np.ndarray:
    """The largest regions of the image but the first, on the grid of tokens, at full size: (<= MASKS, SIDE, SIDE)."""
    step = SIDE // TOKENS
    labels = felzenszwalb(image, scale=1000, sigma=0.8, min_size=2000)[step // 2 :: step, step // 2 :: step]
    largest = np.argsort(-np.bincount(labels.reshape(-1)), kind="stable")[1 : MASKS + 1]
    return (labels == largest[:, None, None]).repeat(step, axis=1).repeat(step, axis=2)


def compare(photos: list[np.ndarray], rounds: int) -> tuple[float, float]:
    """Median ratio of times over photos and rounds, and median IoU over masks; prints both sides' times."""
    ratios, ious, changes, ours, theirs = [], [], [], [], []
    for image, masks in ((photo, token_masks(photo)) for photo in photos):
        if not len(masks):
            continue
        reference, found = pydensecrf_masks(image, masks), our_masks(image, masks)
        ious += [_iou(a, b) for a, b in zip(reference, found, strict=True)]
        changes += [_iou(a, b) for a, b in zip(reference, masks, strict=True)]
        slow, fast = alternate(
            lambda image=image, masks=masks: pydensecrf_masks(image, masks),
            lambda image=image, masks=masks: our_masks(image, masks),
            rounds=rounds,
        )
        ratios.append(median_ratio(slow, fast))
        theirs.append(median(slow))
        ours.append(median(fast))
    times = f"pydensecrf2 {median(theirs) * 1e3:.0f} ms, ours {median(ours) * 1e3:.0f} ms"
    print(f"up to {MASKS} masks an image, {len(ratios)} images: {times}")
    print(f"the CRF itself changes a mask to IoU {median(changes):.3f} (median), {min(changes):.3f} (most)")
    print(f"IoU of {len(ious)} masks: median {median(ious):.4f}, lowest {min(ious):.3f}")
    return median(ratios), median(ious)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/coco_train/images"))
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if find_spec("pydensecrf") is None:
        sys.exit("pydensecrf2 is not installed; it comes with the extra: pip install 'unsam-pipeline[benchmark]'")
    print(describe_machine())
    photos = load_photos(arguments.photos, arguments.images)
    our_masks(photos[0][:64, :64], np.ones((1, 64, 64), bool))
    ratio, iou = compare(photos, arguments.rounds)
    print(f"speed {ratio:.1f} x (bar >= {SPEED_BAR}): {'pass' if ratio >= SPEED_BAR else 'MISS'}")
    print(f"median IoU {iou:.4f} (bar >= {IOU_BAR}): {'pass' if iou >= IOU_BAR else 'MISS'}")


def _pydensecrf_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    from pydensecrf.densecrf import DenseCRF2D

    h, w = mask.shape
    inside = 1 / (1 + np.exp(-1))
    foreground = np.where(mask.reshape(-1), inside, 1 - inside)
    crf = DenseCRF2D(w, h, 2)
    crf.setUnaryEnergy(-np.log(np.stack([1 - foreground, foreground])).astype(np.float32))
    crf.addPairwiseGaussian(sxy=SETTINGS.gaussian_sxy, compat=SETTINGS.gaussian_compat)
    crf.addPairwiseBilateral(
        sxy=SETTINGS.bilateral_sxy,
        srgb=SETTINGS.bilateral_srgb,
        rgbim=image.copy(),
        compat=SETTINGS.bilateral_compat,
    )
    background, foreground = np.array(crf.inference(SETTINGS.iterations)).reshape(2, h, w)
    return foreground > background


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 1.0


if __name__ == "__main__":
    main()
