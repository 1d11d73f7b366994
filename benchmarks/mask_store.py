"""The mask store against COCO JSON of the same masks: bytes a mask, and masks read per second.

Run: `python -m benchmarks.mask_store`. Masks are the 20 largest regions of Felzenszwalb's segmentation at each of three
scales, of photos in `../shared/data` where they are, else of the photos in scikit-image. The JSON is orjson's, with the
standard COCO fields only, although the store keeps six columns more. "Read" ends with every mask as a dense frame on
both sides.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import skimage.data
from pycocotools import mask as coco_mask
from skimage.segmentation import felzenszwalb

from benchmarks.machine import alternate, describe_machine, median_ratio, verdict
from stores.annotations import to_annotations
from stores.home import Home
from stores.images import decode_image
from stores.mask_store import MaskShardReader, MaskShardWriter
from stores.masks import MaskSet, concatenate
from stores.versions import Versions

PHOTOS = Path("../shared/data/coco_val/images")
SAMPLES = ("astronaut", "coffee", "chelsea", "rocket", "camera", "page", "brick", "grass", "coins", "clock")
SCALES = (100, 300, 1000)
REGIONS = 20
IMAGES = 100
ROUNDS = 5
BYTES_BAR, SPEED_BAR = 0.9, 6.0
STANDARD = ("id", "bbox", "area", "segmentation")


def main() -> None:
    images = {key: _regions(pixels) for key, pixels in _photos()}
    count = sum(len(masks) for masks in images.values())
    print(describe_machine())
    print(f"{count} masks of {len(images)} images")
    with tempfile.TemporaryDirectory() as folder:
        versions = _stored(Path(folder) / "home", images)
        document = Path(folder) / "coco.json"
        document.write_bytes(_coco(images))
        store_bytes = sum(p.stat().st_size for p in versions.location("v1").local_path.rglob("*") if p.is_file())
        json_bytes = document.stat().st_size
        print(f"bytes a mask: store {store_bytes / count:.0f}, JSON {json_bytes / count:.0f}, ", end="")
        ratio = store_bytes / json_bytes
        print(f"ratio {ratio:.2f} (bar <= {BYTES_BAR}: {verdict(ratio <= BYTES_BAR)})")
        _compare_reading(versions, document, count)


def _compare_reading(versions: Versions, document: Path, count: int) -> None:
    sides: list[Callable[[], None]] = [
        lambda: _read_json(document),
        lambda: _read_store(versions),
        lambda: _read_last_of_json(document),
        lambda: _read_last_of_store(versions),
    ]
    _read_json(document)
    _read_store(versions)
    from_json, from_store, last_of_json, last_of_store = alternate(*sides, rounds=ROUNDS)
    rates = [count / statistics.median(times) for times in (from_store, from_json)]
    print(f"masks read per second: store {rates[0]:.0f}, JSON {rates[1]:.0f}, ", end="")
    ratio = median_ratio(from_json, from_store)
    print(f"ratio {ratio:.1f} (bar >= {SPEED_BAR}: {verdict(ratio >= SPEED_BAR)})")
    milliseconds = [1000 * statistics.median(times) for times in (last_of_store, last_of_json)]
    print(f"one image, file opened: store {milliseconds[0]:.1f} ms, JSON {milliseconds[1]:.1f} ms, ", end="")
    print(f"ratio {median_ratio(last_of_json, last_of_store):.1f}")


def _photos() -> Iterator[tuple[str, np.ndarray]]:
    paths = sorted(PHOTOS.glob("*.jpg"))[:IMAGES]
    for path in paths:
        yield path.name, decode_image(path.read_bytes())
    if not paths:
        for index, name in enumerate(SAMPLES):
            pixels = getattr(skimage.data, name)()
            yield f"{index}_{name}", pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _regions(pixels: np.ndarray) -> MaskSet:
    size = pixels.shape[:2]
    parts = []
    for scale in SCALES:
        labels = felzenszwalb(pixels, scale=scale, min_size=100)
        largest = np.argsort(-np.bincount(labels.reshape(-1)), kind="stable")[:REGIONS]
        parts.append(MaskSet.from_dense((labels == label for label in largest), size))
    return concatenate(parts)


def _stored(home: Path, images: dict[str, MaskSet]) -> Versions:
    versions = Home(home).versions("masks", "regions", "photos")
    writer = MaskShardWriter(versions, "v1", images)
    for key, masks in images.items():
        writer.add(key, masks)
    writer.finish({})
    return versions


def _coco(images: dict[str, MaskSet]) -> bytes:
    records: list[dict] = []
    annotations: list[dict] = []
    for image_id, (name, masks) in enumerate(images.items(), start=1):
        records.append({"id": image_id, "file_name": name, "width": masks.size[1], "height": masks.size[0]})
        for annotation in to_annotations(masks, first_id=len(annotations) + 1):
            standard = {name: annotation[name] for name in STANDARD}
            annotations.append({**standard, "image_id": image_id, "category_id": 1, "iscrowd": 0})
    categories = [{"id": 1, "name": "object"}]
    return orjson.dumps({"images": records, "annotations": annotations, "categories": categories})


def _read_json(document: Path) -> None:
    for rles in _rles_by_image(document).values():
        coco_mask.decode(rles)


def _read_last_of_json(document: Path) -> None:
    by_image = _rles_by_image(document)
    coco_mask.decode(by_image[max(by_image)])


def _rles_by_image(document: Path) -> dict[int, list[dict]]:
    by_image: dict[int, list[dict]] = {}
    for annotation in orjson.loads(document.read_bytes())["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation["segmentation"])
    return by_image


def _read_store(versions: Versions) -> None:
    reader = MaskShardReader(versions)
    for key in reader:
        _unpack(reader[key])


def _read_last_of_store(versions: Versions) -> None:
    reader = MaskShardReader(versions)
    _unpack(reader[reader.keys[-1]])


def _unpack(masks: MaskSet) -> None:
    for index in range(len(masks)):
        masks.dense(index)


if __name__ == "__main__":
    main()
