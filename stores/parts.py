"""The finished images of an unfinished version: one small file each, so that a killed run resumes where it was."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from stores.location import Location


@dataclass(frozen=True)
class Parts:
    """Arrays by image key, each image an `.npz` that appears whole or not at all."""

    folder: Location

    def done(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that are here."""
        present = {place.name for place in self.folder.iterdir()}
        return {key for key in keys if part_name(key) in present}

    def write(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the arrays of one image, in place of any that were here.

        Raises:
            OutOfSpace: they do not fit; the other parts stay.
        """
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **arrays)
        (self.folder / part_name(key)).write_bytes(packed.getvalue())

    def read(self, key: str) -> dict[str, np.ndarray]:
        data = (self.folder / part_name(key)).read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)

    def delete(self) -> None:
        self.folder.delete()


def part_name(key: str) -> str:
    """File name of an image's part; a hash, because keys hold slashes and any other character."""
    return f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.npz"
