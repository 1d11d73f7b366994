"""Bytes of an image file to RGB pixels, whatever the camera, the web or an accident made of them."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
from PIL import Image

DEFAULT_MAX_PIXELS = 100_000_000
DEFAULT_MIN_SIDE = 8
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp"),
    *(".tif", ".tiff", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm"),
)
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM")
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE = (255, 255, 255, 255)
_OPENING = threading.Lock()
# What Pillow's decoders raise on damaged files, besides its own UnidentifiedImageError (an OSError).
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, RuntimeError, ArithmeticError),
    *(MemoryError, struct.error, zlib.error),
)


class UnreadableImage(ValueError):
    """An image that cannot or must not be decoded; `reason` says why in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_image(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, min_side: int = DEFAULT_MIN_SIDE) -> np.ndarray:
    """Pixels of the first frame, upright.

    EXIF rotation is applied (an EXIF block that cannot be parsed counts as none); CMYK, palette and grey become RGB;
    16-bit values are scaled by 255/65535; transparency is laid on white.

    Args:
        data: content of the file.
        max_pixels: larger images are refused before anything is decoded.
        min_side: images thinner than so many pixels are refused.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        UnreadableImage: no image, damaged, too large, too thin, or of pixels whose range is unknown.
    """
    if not data:
        raise UnreadableImage("empty file (0 bytes)")
    try:
        with _opened(data) as image:
            _check_size(image.size, max_pixels, min_side)
            image.load()
            upright = _upright(image)
            return np.ascontiguousarray(_as_rgb(upright))
    except UnreadableImage:
        raise
    except _DAMAGE as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"damaged image: {cause}") from error


def _opened(data: bytes) -> Image.Image:
    """Read the header only. Pillow's own size limit is a global; ours replaces it, so it is lifted for this moment."""
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        except Image.UnidentifiedImageError as error:
            raise UnreadableImage("not an image, or of a format that is not read here") from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(size: tuple[int, int], max_pixels: int, min_side: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UnreadableImage(
            f"{width} x {height} pixels exceed max_pixels = {max_pixels}; raise it to read this image"
        )
    if min(width, height) < min_side:
        raise UnreadableImage(f"{width} x {height} pixels are thinner than min_side = {min_side}")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGE:
        return image
    return image if turn is None else image.transpose(turn)


def _as_rgb(image: Image.Image) -> np.ndarray:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.repeat(_grey_as_bytes(image)[..., None], 3, axis=2)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", coloured.size, _WHITE), coloured).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _grey_as_bytes(image: Image.Image) -> np.ndarray:
    values = np.asarray(image, np.float64)
    top = 1.0 if image.mode == "F" else 65535.0
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= top):
        raise UnreadableImage(f"grey values of mode {image.mode} outside [0, {top:g}]: their range is unknown")
    return np.round(values * (255.0 / top)).astype(np.uint8)
