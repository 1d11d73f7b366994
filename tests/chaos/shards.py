"""Shards as they come: folders and tars of small photos, with broken files among them."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from skimage import data

_PHOTOS = (data.coffee, data.chelsea, data.astronaut)
_GOOD_A_SHARD = 2


@dataclass
class Expected:
    """What must come of a shard, by the path of its folder or tar."""

    good: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)


def make_shards(folder: Path, count: int) -> dict[str, Expected]:
    """`count` shards below `folder`, every third one a tar; every second one holds a truncated or an empty file."""
    sources = [Image.fromarray(photo()) for photo in _PHOTOS]
    found = {}
    for number in range(count):
        files = {f"photo{index}.jpg": _crop(sources[index], number) for index in range(_GOOD_A_SHARD)}
        expected = Expected(good=set(files))
        if number % 2:
            whole = files["photo0.jpg"]
            files["broken.jpg"] = whole[: len(whole) // 2] if number % 4 == 1 else b""
            expected.bad.add("broken.jpg")
        place = folder / (f"shard{number:03}.tar" if number % 3 == 2 else f"shard{number:03}")
        _write(place, files)
        found[str(place)] = expected
    return found


def _crop(photo: Image.Image, number: int) -> bytes:
    left, top = 3 * (number % 20), 2 * (number % 10)
    content = io.BytesIO()
    photo.resize((220, 160)).crop((left, top, left + 120, top + 90)).save(content, "JPEG", quality=92)
    return content.getvalue()


def _write(place: Path, files: dict[str, bytes]) -> None:
    if place.suffix != ".tar":
        place.mkdir(parents=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
        return
    with tarfile.open(place, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
