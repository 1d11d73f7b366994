"""Label maps as palette PNGs, the field's format: a pixel's value is its class, 0 background, 255 no class."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from stores.location import Location

IGNORE = 255
_INDEX_MODES = ("1", "L", "P")
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError)


class BadLabelMap(ValueError):
    """A file that is no label map, or no mask; the message names it."""


def read_label_map(place: Location) -> np.ndarray:
    """Classes of a PNG's pixels, (H, W) uint8; the palette's colours do not matter.

    Raises:
        BadLabelMap: no image, a damaged one, or one whose pixels are colours and not indices.
        FileNotFoundError: there is no such file.
    """
    try:
        with Image.open(io.BytesIO(place.read_bytes()), formats=("PNG",)) as image:
            if image.mode not in _INDEX_MODES:
                raise BadLabelMap(
                    f"{place}: pixels of mode {image.mode} are colours; a label map has one index a pixel (mode P or L)"
                )
            return np.array(image, np.uint8)
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        if isinstance(error, BadLabelMap):
            raise
        raise BadLabelMap(f"{place}: no PNG that can be read ({' '.join(str(error).split())})") from error


def write_label_map(place: Location, labels: np.ndarray) -> None:
    """Write (H, W) uint8 as a PNG with the palette of VOC."""
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    place.write_bytes(buffer.getvalue())


def voc_palette() -> np.ndarray:
    """Colours of the 256 values, (256, 3) uint8: the bits of the index, spread from the top bit down (VOC devkit)."""
    index = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for level in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> (3 * level + channel)) & 1) << (7 - level)
    return colours.astype(np.uint8)
