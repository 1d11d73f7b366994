"""What sides a network's input may have; light to import, so that settings can ask."""

from __future__ import annotations

MULTIPLE = 32
"""What the sides of an input divide by: the stride of the coarsest feature map."""


def nearest_side(side: float) -> int:
    """The side in pixels nearest to that asked for which an input may have, at least `MULTIPLE`."""
    return max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE)


def check_sides(height: int, width: int) -> None:
    """Refuse an input whose sides do not divide by `MULTIPLE`.

    Raises:
        ValueError: with both sides.
    """
    if height % MULTIPLE or width % MULTIPLE:
        raise ValueError(f"sides must be multiples of {MULTIPLE}, got (H, W) = {height, width}")
