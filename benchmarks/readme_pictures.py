"""The strip of pictures in the README: sample photos beside their masks, from coarse to fine.

Run: `python -m benchmarks.readme_pictures`; writes docs/pictures/strip.jpg.
"""

from __future__ import annotations

from pathlib import Path

from models.backbones import load_backbone
from ops.pictures import contact_sheet, jpeg_under, overlay_at_granularity, resized
from ops.recipes import divide, hierarchy
from ops.sample_photos import SAMPLE_PHOTOS
from ops.settings import LabelSettings
from stores.images import decode_image

SHOWN = ("china.jpg", "coffee.png", "chelsea.png")
GRANULARITIES = (0.7, 0.45, 0.25)
TILE = 320
OUTPUT = Path("docs/pictures/strip.jpg")


def main() -> None:
    settings = LabelSettings()
    backbone = load_backbone(settings.backbone.name)
    tiles = []
    for photo in SAMPLE_PHOTOS:
        if photo.path.name not in SHOWN:
            continue
        image = decode_image(photo.path.read_bytes())
        masks = hierarchy(image, divide(image, backbone, settings), backbone, settings)
        tiles += [resized(image, TILE)]
        tiles += [overlay_at_granularity(image, masks, granularity, TILE) for granularity in GRANULARITIES]
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(jpeg_under(contact_sheet(tiles, columns=1 + len(GRANULARITIES), tile=TILE)))
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
