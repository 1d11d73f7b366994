"""The photos that human masks are of: found by their names, missed by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ops.ground_truth import DatasetError, ImageId, shown

Choice = Callable[[Sequence[ImageId]], Sequence[ImageId]]
_PHOTOS = (".jpg", ".jpeg", ".png")


def every(image_ids: Sequence[ImageId]) -> Sequence[ImageId]:
    """The choice of all images."""
    return image_ids


def existing_folder(path: Path) -> Path:
    if not path.is_dir():
        raise DatasetError(f"there is no folder {path}")
    return path


def photos_by_stem(images: Path) -> dict[str, Path]:
    """Every photo of a folder by its name without the ending."""
    return {path.stem: path for path in sorted(existing_folder(images).iterdir()) if path.suffix.lower() in _PHOTOS}


def annotation_files(folder: Path, suffix: str) -> dict[ImageId, Path]:
    """Every annotation file of a folder by its image's id: its stem, as a number where it is one.

    Raises:
        DatasetError: there are none, or two of one number.
    """
    paths = sorted(existing_folder(folder).glob(f"*{suffix}"))
    found = {(int(path.stem) if path.stem.isdecimal() else path.stem): path for path in paths}
    if not paths or len(found) != len(paths):
        raise DatasetError(f"{'two' if paths else 'no'} {suffix} files {'of one number ' if paths else ''}in {folder}")
    return found


def photo_size(path: Path) -> tuple[int, int]:
    """(H, W) as stored, from the header."""
    try:
        with Image.open(path) as photo:
            return photo.height, photo.width
    except (UnidentifiedImageError, OSError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def refuse_missing(missing: Collection[object], of: int, images: Path) -> None:
    """Raise `DatasetError` if annotated photos are missing in the folder."""
    if missing:
        raise DatasetError(
            f"{len(missing)} of {of} annotated images are not in {images}: {shown(missing)}; "
            "are these the annotations of other photos?"
        )
