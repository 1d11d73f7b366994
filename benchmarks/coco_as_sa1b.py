"""A folder of COCO photos in which a share has its human masks beside it as SA-1B JSON.

python -m benchmarks.coco_as_sa1b INSTANCES.json IMAGES OUTPUT [--fraction 0.2]

Which photos are chosen is decided by their ids alone (`ops.human_masks.is_selected`). Crowd regions are left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path

from ops.human_masks import is_selected
from stores.annotations import from_annotations
from stores.sa1b import to_sa1b


def write_folder(instances: Path, images: Path, output: Path, fraction: float) -> tuple[int, int]:
    """Copy the photos, annotate a share of them; how many photos there are, and how many of them have a JSON."""
    document = json.loads(instances.read_text())
    annotations = defaultdict(list)
    for annotation in document["annotations"]:
        if not annotation.get("iscrowd"):
            annotations[annotation["image_id"]].append(annotation)
    output.mkdir(parents=True, exist_ok=True)
    annotated = 0
    for image in document["images"]:
        name = image["file_name"]
        shutil.copyfile(images / name, output / name)
        if not is_selected(name, fraction):
            continue
        masks = from_annotations(annotations[image["id"]], (image["height"], image["width"]), "human")
        path = (output / name).with_suffix(".json")
        path.write_text(json.dumps(to_sa1b(masks, name, image["id"])))
        annotated += 1
    return len(document["images"]), annotated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("instances", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--fraction", type=float, default=0.2)
    arguments = parser.parse_args()
    photos, annotated = write_folder(arguments.instances, arguments.images, arguments.output, arguments.fraction)
    print(f"{photos} photos, {annotated} of them with human masks, in {arguments.output}")


if __name__ == "__main__":
    main()
