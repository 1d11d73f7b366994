"""The masks of a shard in one Zarr v3 group, written by one writer and read image by image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stores.home import Home
from stores.masks import COLUMN_DEFAULTS, COLUMN_DTYPES, NO_PARENT, MaskSet
from stores.shard_group import GroupWriter
from stores.shard_writer import ShardWriter
from stores.stored_shard import StoredShard
from stores.versions import IncompleteVersion, NoVersion

__all__ = ["IncompleteVersion", "MaskShardReader", "MaskShardWriter", "NoVersion", "check_masks", "open_masks"]


class MaskShardWriter(ShardWriter):
    """Writes one version of a shard's masks: `add` images in any order, then `finish`."""

    format = "masks"

    def add(self, key: str, content: MaskSet) -> None:
        """Keep the masks of one image; they survive a kill from here on.

        Raises:
            ValueError: the key is not of this shard, the version is published, or the masks contradict themselves.
            OutOfSpace: they do not fit; what was added before stays.
        """
        check_masks(content, key)
        columns = {name: getattr(content, name) for name in COLUMN_DTYPES}
        arrays = {"size": np.array(content.size, np.int32), "boxes": content.boxes, "offsets": content.offsets}
        self._add(key, {**arrays, **columns, "bits": content.bits})

    def _write_arrays(self, group: GroupWriter, keys: list[str]) -> None:
        bits = group.stream("bits", np.dtype(np.uint8))
        sizes, lengths = [], []
        short: dict[str, list[np.ndarray]] = {name: [] for name in ("boxes", *COLUMN_DTYPES)}
        for key in keys:
            part = self._parts.read(key)
            bits.append(part["bits"])
            sizes.append(part["size"])
            lengths.append(np.diff(part["offsets"]))
            for name, parts in short.items():
                parts.append(part[name])
        bits.close()
        group.column("image_sizes", np.array(sizes, np.int32).reshape(-1, 2))
        group.column("image_offsets", _offsets([len(part) for part in lengths]))
        group.column("mask_offsets", _offsets(np.concatenate([np.zeros(0, np.int64), *lengths])))
        group.column("boxes", np.concatenate([np.zeros((0, 4), np.int32), *short["boxes"]]))
        for name, dtype in COLUMN_DTYPES.items():
            group.column(name, np.concatenate([np.zeros(0, dtype), *short[name]]))


class MaskShardReader(StoredShard):
    """The masks of one version of a shard, a `MaskSet` an image; see `StoredShard`."""

    def __getitem__(self, key: str) -> MaskSet:
        """The masks of image `key`.

        Raises:
            KeyError: the shard has no such image.
            CorruptShard: the stored bytes are not what was written.
        """
        index = self._index[key]
        first, last = (int(value) for value in self._group.column("image_offsets")[index : index + 2])
        offsets = self._group.column("mask_offsets")[first : last + 1]
        height, width = (int(value) for value in self._group.column("image_sizes")[index])
        return MaskSet(
            size=(height, width),
            boxes=self._group.column("boxes")[first:last],
            bits=self._group.rows("bits", int(offsets[0]), int(offsets[-1])),
            offsets=offsets - offsets[0],
            **{name: self._column(name)[first:last] for name in COLUMN_DTYPES},
        )

    def items(self) -> Iterator[tuple[str, MaskSet]]:
        for key in self.keys:
            yield key, self[key]

    def columns(self) -> dict[str, np.ndarray]:
        """Boxes and columns of all masks of the shard, without their bits.

        Returns:
            `boxes` (m, 4), each column (m,), and `image` (m,) int64: the position of the mask's image in `keys`.
        """
        counts = np.diff(self._group.column("image_offsets"))
        image = np.repeat(np.arange(len(counts)), counts)
        columns = {name: self._column(name) for name in COLUMN_DTYPES}
        return {"image": image, "boxes": self._group.column("boxes"), **columns}

    def counts(self) -> np.ndarray:
        """Masks of every image, (images,) int64, in the order of `keys`."""
        return np.diff(self._group.column("image_offsets"))

    def sizes(self) -> np.ndarray:
        """(H, W) of every image, (images, 2) int32, in the order of `keys`."""
        return self._group.column("image_sizes")

    def _column(self, name: str) -> np.ndarray:
        """A column of all masks; its default where the version is older than the column."""
        if self._group.has(name):
            return self._group.column(name)
        return np.full(len(self._group.column("boxes")), COLUMN_DEFAULTS[name], COLUMN_DTYPES[name])


def open_masks(home: Home, asset: str, shard: str, version: str | None = None) -> MaskShardReader:
    """The masks of one shard of an asset, the current version unless one is named.

    Raises:
        NoVersion, IncompleteVersion: there is nothing that may be read.
    """
    return MaskShardReader(home.versions("masks", asset, shard), version)


def check_masks(masks: MaskSet, key: str) -> None:
    """Refuse masks whose arrays contradict each other or the frame of the image.

    Raises:
        ValueError: naming `key` and what is wrong.
    """
    count = len(masks)
    height, width = masks.size
    x, y, w, h = masks.boxes.reshape(-1, 4).astype(np.int64).T
    lengths = np.diff(masks.offsets)
    problems = {
        "columns of different lengths": any(getattr(masks, name).shape != (count,) for name in COLUMN_DTYPES),
        "offsets that do not fit the bits": len(masks.offsets) != count + 1
        or masks.offsets[0] != 0
        or masks.offsets[-1] != len(masks.bits)
        or not np.array_equal(lengths, (w * h + 7) // 8),
        "a box outside the image": bool(
            ((x < 0) | (y < 0) | (w < 0) | (h < 0) | (x + w > width) | (y + h > height)).any()
        ),
        "a parent that is not there": bool(((masks.parent < NO_PARENT) | (masks.parent >= count)).any()),
    }
    for problem, found in problems.items():
        if found:
            raise ValueError(f"masks of {key}: {problem}")


def _offsets(lengths: np.ndarray | list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
