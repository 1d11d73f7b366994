"""What the photos of `ops.sample_photos` show, as a person would tag them; for the demo and for tests."""

from __future__ import annotations

from stores.tags import Tags

_CLASSES = ("person", "cup", "cat", "rocket", "building", "flower")
_SHOWN = {
    "astronaut.png": ("person", "rocket"),
    "coffee.png": ("cup",),
    "chelsea.png": ("cat",),
    "rocket.jpg": ("rocket",),
    "china.jpg": ("building",),
    "flower.jpg": ("flower",),
}


def sample_tags() -> Tags:
    """Tags of the six sample photos."""
    numbers = {name: label for label, name in enumerate(_CLASSES, start=1)}
    return Tags(_CLASSES, {file: tuple(sorted(numbers[name] for name in own)) for file, own in _SHOWN.items()})
