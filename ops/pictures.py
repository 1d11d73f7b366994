"""Pictures for people: masks over their photo, features as colours, sheets of both, and JPEGs of a bounded size."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ops.mask_colours import mask_colours
from ops.mask_partition import NOTHING, fitted_size, painted, partition_at, scaled_down
from stores.masks import MaskSet

TINT = 0.55
FAINTEST_CONTOUR, STRONGEST_CONTOUR = 0.25, 0.95
QUALITIES = (90, 82, 74, 66, 58, 50)
SHRINK = 0.8
PERCENTILES = (1.0, 99.0)


def overlay(image: np.ndarray, masks: MaskSet, max_side: int = 512, colours: np.ndarray | None = None) -> np.ndarray:
    """All masks over their photo: small ones on top of large ones, each with a thin contour.

    The contour of a large mask shows through the small ones inside it, and the brighter the larger the mask, so
    that the picture reads as objects first and parts second.

    Args:
        image: (H, W, 3) uint8.
        masks: masks of that image, in any order, nested, overlapping or neither.
        max_side: longest side of the picture in pixels; a smaller image keeps its size.
        colours: (n, 3) uint8, one a mask; None takes `mask_colours`.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: the image is not (H, W, 3) uint8, or the masks are those of another size.
    """
    masks, shown, small = _fitted(image, masks, max_side)
    large_first = np.argsort(-masks.areas(), kind="stable")
    tints = mask_colours(masks) if colours is None else colours[shown]
    tinted = _tinted(small, painted(masks, large_first), tints)
    return _with_white(tinted, _contours(masks, large_first))


def overlay_at_granularity(image: np.ndarray, masks: MaskSet, granularity: float, max_side: int = 512) -> np.ndarray:
    """The partition that the masks make at one granularity (`partition_at`), over the photo.

    Args, returns and errors are those of `overlay`; masks without granularity are a ValueError too.
    """
    masks, _, small = _fitted(image, masks, max_side)
    labels = partition_at(masks, granularity)
    tinted = _tinted(small, labels, mask_colours(masks))
    weights = np.append(_contour_weights(masks), STRONGEST_CONTOUR).astype(np.float32)
    return _with_white(tinted, _borders(labels, weights))


def features_as_colours(tokens: np.ndarray) -> np.ndarray:
    """The first three principal components of an image's tokens as red, green and blue.

    Each component is scaled from its 1st to its 99th percentile, and its sign is such that its largest loading is
    positive: the same tokens make the same picture on every machine. Components that do not exist are mid-grey.

    Args:
        tokens: (h, w, C) floats.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: another shape, no token, or values that are not finite.
    """
    if tokens.ndim != 3 or 0 in tokens.shape:
        raise ValueError(f"tokens of shape (h, w, C) expected, got {tokens.shape}")
    if not np.isfinite(tokens).all():
        raise ValueError("tokens hold NaN or infinity")
    height, width, channels = tokens.shape
    flat = tokens.reshape(-1, channels).astype(np.float64)
    scaled = np.full((len(flat), 3), 0.5)
    if np.ptp(flat, axis=0).max() > 0:
        components = _principal_components(flat)
        low, high = np.percentile(components, PERCENTILES, axis=0)
        scaled[:, : components.shape[1]] = (components - low) / np.where(high > low, high - low, 1)
    return np.round(scaled.clip(0, 1) * 255).astype(np.uint8).reshape(height, width, 3)


def resized(image: np.ndarray, max_side: int) -> np.ndarray:
    """The image with its longer side at most `max_side` pixels; a smaller one is returned as it is."""
    height, width = fitted_size(image.shape[:2], max_side)
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))


def jpeg_under(image: np.ndarray, max_bytes: int = 150_000) -> bytes:
    """A JPEG of at most `max_bytes`: quality gives way first (90 down to 50), then size in steps of 0.8.

    Raises:
        ValueError: the image is not (H, W, 3) uint8, or not even one pixel of it fits.
    """
    _check_image(image)
    picture = Image.fromarray(image)
    while True:
        for quality in QUALITIES:
            data = _jpeg(picture, quality)
            if len(data) <= max_bytes:
                return data
        if max(picture.size) == 1:
            raise ValueError(f"no JPEG fits into {max_bytes} bytes")
        width, height = (max(1, int(side * SHRINK)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)


def as_markdown(image: np.ndarray, caption: str, max_bytes: int = 150_000) -> str:
    """The image inside markdown text of at most `max_bytes` without its caption, for a user interface's metadata.

    Raises:
        ValueError: as `jpeg_under`.
    """
    prefix = "data:image/jpeg;base64,"
    data = jpeg_under(image, (max_bytes - len(prefix) - len("![]()")) * 3 // 4 - 2)
    safe_caption = caption.translate({ord(c): " " for c in "[]()\\`<>\n\r"})
    return f"![{safe_caption}]({prefix}{base64.b64encode(data).decode()})"


def contact_sheet(pictures: Sequence[np.ndarray], columns: int = 3, tile: int = 256, gap: int = 6) -> np.ndarray:
    """Several pictures on one white sheet, row by row, each whole and centred in its tile; rows are as high as needed.

    Args:
        pictures: (h, w, 3) uint8 each, of any sizes; none at all makes an empty sheet of one tile.
        columns: most pictures beside each other.
        tile: width of a tile and greatest height of a row in pixels.
        gap: pixels between tiles.

    Returns:
        (H, W, 3) uint8.
    """
    for picture in pictures:
        _check_image(picture)
    small = [resized(picture, tile) for picture in pictures] or [np.full((tile, tile, 3), 255, np.uint8)]
    across = min(columns, len(small))
    rows = [small[start : start + across] for start in range(0, len(small), across)]
    heights = [max(len(picture) for picture in row) for row in rows]
    sheet = np.full((sum(heights) + gap * (len(rows) - 1), across * (tile + gap) - gap, 3), 255, np.uint8)
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            height, width = picture.shape[:2]
            top = sum(heights[:number]) + gap * number + (heights[number] - height) // 2
            left = column * (tile + gap) + (tile - width) // 2
            sheet[top : top + height, left : left + width] = picture
    return sheet


def _fitted(image: np.ndarray, masks: MaskSet, max_side: int) -> tuple[MaskSet, np.ndarray, np.ndarray]:
    """Masks at the picture's size, which of the given ones they are, and the photo at that size."""
    _check_image(image)
    if tuple(masks.size) != image.shape[:2]:
        raise ValueError(f"masks of an image of (H, W) = {tuple(masks.size)} over one of {image.shape[:2]}")
    return *scaled_down(masks, max_side), resized(image, max_side)


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"an image of shape (H, W, 3) uint8 expected, got {image.shape} {image.dtype}")


def _tinted(image: np.ndarray, labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Photo and mask colours mixed, float32 in [0, 255]; pixels without a mask keep the photo, a little darker."""
    palette = np.concatenate([colours, np.zeros((1, 3), np.uint8)]).astype(np.float32)
    share = np.where(labels == NOTHING, 0.25, TINT).astype(np.float32)[..., None]
    return image * (1 - share) + palette[labels] * share


def _with_white(picture: np.ndarray, strength: np.ndarray) -> np.ndarray:
    share = strength[..., None]
    return np.round(picture * (1 - share) + 255 * share).astype(np.uint8)


def _contours(masks: MaskSet, order: np.ndarray) -> np.ndarray:
    """How white each pixel's contour is, (H, W) float32: a mask's inner border, by the mask's side."""
    strength = np.zeros(masks.size, np.float32)
    weights = _contour_weights(masks)
    for index in order[::-1]:
        x, y, w, h = masks.boxes[index]
        crop = masks.crop(index)
        frame = np.pad(crop, 1)
        inside = frame[:-2, 1:-1] & frame[2:, 1:-1] & frame[1:-1, :-2] & frame[1:-1, 2:]
        strength[y : y + h, x : x + w][crop & ~inside] = weights[index]
    return strength


def _contour_weights(masks: MaskSet) -> np.ndarray:
    """How white the contour of each mask is, (n,): the full strength from a quarter of the image on."""
    sides = np.sqrt(masks.areas() / np.prod(masks.size))
    return FAINTEST_CONTOUR + (STRONGEST_CONTOUR - FAINTEST_CONTOUR) * np.minimum(1, 2 * sides)


def _borders(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The lesser weight of two labels at a pixel whose label differs from the one right of or below it, (H, W)."""
    borders = np.zeros(labels.shape, np.float32)
    weight = weights[labels]
    for here, there in (((slice(None), slice(-1)), (slice(None), slice(1, None))), ((slice(-1),), (slice(1, None),))):
        differ = labels[here] != labels[there]
        lesser = np.minimum(weight[here], weight[there])
        borders[here] = np.maximum(borders[here], np.where(differ, lesser, 0))
    return borders


def _principal_components(flat: np.ndarray) -> np.ndarray:
    """(tokens, up to 3) scores on the leading components, signs fixed."""
    from sklearn.decomposition import PCA

    count = min(3, *flat.shape)
    solver = "arpack" if count < min(flat.shape) else "full"
    pca = PCA(n_components=count, svd_solver=solver, random_state=0)
    scores = pca.fit_transform(flat)
    largest = np.abs(pca.components_).argmax(axis=1)
    signs = np.sign(pca.components_[np.arange(len(largest)), largest])
    return scores * np.where(signs == 0, 1, signs)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
