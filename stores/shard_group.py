"""One Zarr v3 group a shard: long arrays in streamed chunks, short ones whole, every byte under a checksum.

Zarr reads a chunk file that is not there as zeros; the checksums turn that silence into an error.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.sync import sync

from stores.location import Location, out_of_space_explained

CHUNK_BYTES = 256 * 1024
_BLOCK_CHUNKS = 16
_CACHED_CHUNKS = 8
_COLUMN_CHUNK_ROWS = 1 << 20
_ZSTD_LEVEL = 3


class CorruptShard(RuntimeError):
    """Stored bytes are missing or differ from what was written."""


class GroupWriter:
    """Writes one new group; memory stays bounded by a few MB a stream plus the columns."""

    def __init__(self, place: Location) -> None:
        self._place = place
        self._checksums: dict[str, int] = {}
        with out_of_space_explained(place.url):
            self._group = zarr.create_group(place.zarr_store(), zarr_format=3, overwrite=True)

    def stream(self, name: str, dtype: np.dtype, row_shape: tuple[int, ...] = ()) -> StreamWriter:
        """A long array of rows of one shape, filled by `append` and ended by `close`."""
        return StreamWriter(self._group, name, np.dtype(dtype), row_shape, self)

    def column(self, name: str, values: np.ndarray) -> None:
        """A short array, written at once and read whole."""
        values = np.ascontiguousarray(values)
        chunks = (max(1, min(len(values), _COLUMN_CHUNK_ROWS)), *values.shape[1:])
        with out_of_space_explained(f"{self._place}/{name}"):
            self._group.create_array(name, data=values, chunks=chunks, compressors=ZstdCodec(level=_ZSTD_LEVEL))
        self._checksums[name] = checksum(values)

    def close(self, attributes: Mapping[str, Any]) -> None:
        """Write the group's attributes (JSON values) and the checksums of its columns."""
        with out_of_space_explained(self._place.url):
            self._group.update_attributes({**attributes, "checksums": self._checksums})


class StreamWriter:
    """Rows gathered into blocks of whole chunks, so that no chunk is ever written twice."""

    def __init__(
        self, group: zarr.Group, name: str, dtype: np.dtype, row_shape: tuple[int, ...], owner: GroupWriter
    ) -> None:
        self._name, self._owner = name, owner
        self._chunk_rows = max(1, CHUNK_BYTES // (dtype.itemsize * int(np.prod(row_shape, dtype=np.int64))))
        self._pending: list[np.ndarray] = []
        self._pending_rows = 0
        self._chunk_checksums: list[int] = []
        self._empty = np.zeros((0, *row_shape), dtype)
        with out_of_space_explained(name):
            self._array = group.create_array(
                name,
                shape=(0, *row_shape),
                chunks=(self._chunk_rows, *row_shape),
                dtype=dtype,
                compressors=ZstdCodec(level=_ZSTD_LEVEL),
            )

    def append(self, rows: np.ndarray) -> None:
        """Add rows of shape (n, *row_shape).

        Raises:
            OutOfSpace: the disk is full.
        """
        self._pending.append(np.asarray(rows, self._empty.dtype))
        self._pending_rows += len(rows)
        block_rows = _BLOCK_CHUNKS * self._chunk_rows
        if self._pending_rows >= block_rows:
            waiting = np.concatenate(self._pending)
            whole = len(waiting) - len(waiting) % self._chunk_rows
            self._write(waiting[:whole])
            self._pending, self._pending_rows = [waiting[whole:]], len(waiting) - whole

    def close(self) -> None:
        self._write(np.concatenate([self._empty, *self._pending]))
        self._pending = []
        self._owner.column(checksums_name(self._name), np.array(self._chunk_checksums, np.uint32))

    def _write(self, rows: np.ndarray) -> None:
        if not len(rows):
            return
        starts = range(0, len(rows), self._chunk_rows)
        self._chunk_checksums += [checksum(rows[start : start + self._chunk_rows]) for start in starts]
        with out_of_space_explained(self._name):
            self._array.append(rows)


class GroupReader:
    """Reads a group lazily: a stream by ranges of rows, a column whole and once. Picklable."""

    def __init__(self, place: Location) -> None:
        self._place = place
        self._columns: dict[str, np.ndarray] = {}
        self._streams: dict[str, _StreamReader] = {}

    def __reduce__(self) -> tuple[type[GroupReader], tuple[Location]]:
        return GroupReader, (self._place,)

    @cached_property
    def _group(self) -> zarr.Group:
        return zarr.open_group(self._place.zarr_store(read_only=True), mode="r", zarr_format=3)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        return dict(self._group.attrs)

    def has(self, name: str) -> bool:
        """Whether there is an array `name`."""
        return name in self.attributes["checksums"] or checksums_name(name) in self.attributes["checksums"]

    def column(self, name: str) -> np.ndarray:
        """The whole array `name`, read-only.

        Raises:
            CorruptShard: it is not what was written.
        """
        if name not in self._columns:
            values = np.asarray(self._array(name)[...])
            if checksum(values) != self.attributes["checksums"].get(name):
                raise CorruptShard(f"{self._place}/{name} is not what was written; materialise the shard again")
            values.flags.writeable = False
            self._columns[name] = values
        return self._columns[name]

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows [start, stop) of stream `name`; only the chunks they lie in are read.

        Raises:
            CorruptShard: a chunk is missing or not what was written.
        """
        if name not in self._streams:
            self._streams[name] = _StreamReader(self._array(name), self.column(checksums_name(name)), self._place.url)
        return self._streams[name].rows(start, stop)

    def verify(self) -> None:
        """Read everything once.

        Raises:
            CorruptShard: something is missing or not what was written.
        """
        for name in self.attributes["checksums"]:
            self.column(name)
            if name.endswith(checksums_name("")):
                stream = name.removesuffix(checksums_name(""))
                array = self._array(stream)
                for start in range(0, array.shape[0], _BLOCK_CHUNKS * array.chunks[0]):
                    self.rows(stream, start, min(start + _BLOCK_CHUNKS * array.chunks[0], array.shape[0]))

    def _array(self, name: str) -> zarr.Array:
        try:
            return cast(zarr.Array, self._group[name])
        except KeyError as error:
            raise CorruptShard(f"{self._place} has no array {name}; materialise the shard again") from error


class _StreamReader:
    """The last few chunks stay decoded: neighbouring images share them."""

    def __init__(self, array: zarr.Array, checksums: np.ndarray, place: str) -> None:
        self._array, self._checksums, self._place = array, checksums, place
        self._chunk_rows = array.chunks[0]
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()

    def rows(self, start: int, stop: int) -> np.ndarray:
        if start >= stop:
            return np.zeros((0, *self._array.shape[1:]), self._array.dtype)
        first, last = start // self._chunk_rows, (stop - 1) // self._chunk_rows
        chunks = self._chunks(first, last)
        begin = start - first * self._chunk_rows
        joined = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return joined[begin : begin + stop - start]

    def _chunks(self, first: int, last: int) -> list[np.ndarray]:
        """Decoded chunks; threads share the cache, so that what is needed is held apart from it."""
        wanted = range(first, last + 1)
        found = {index: chunk for index in wanted if (chunk := self._cache.get(index)) is not None}
        missing = [index for index in wanted if index not in found]
        if missing:
            loaded = self._load(missing[0], missing[-1])
            found |= loaded
            self._cache.update(loaded)
            while len(self._cache) > _CACHED_CHUNKS:
                self._cache.popitem(last=False)
        return [found[index] for index in wanted]

    def _load(self, first: int, last: int) -> dict[int, np.ndarray]:
        size, loaded = self._chunk_rows, {}
        block = np.asarray(self._array[first * size : (last + 1) * size])
        for index in range(first, last + 1):
            chunk = block[(index - first) * size : (index - first + 1) * size]
            if index >= len(self._checksums) or checksum(chunk) != self._checksums[index]:
                name = f"chunk {index} of {self._place}/{self._array.basename}"
                raise CorruptShard(f"{name} is missing or not what was written; materialise the shard again")
            chunk.flags.writeable = False
            loaded[index] = chunk
        return loaded


def finish_writes() -> None:
    """Wait for the chunks that Zarr still writes: when one fails, it leaves the others under way."""
    sync(_other_tasks())


async def _other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


def checksum(values: np.ndarray) -> int:
    """CRC-32 of an array's bytes."""
    return zlib.crc32(np.ascontiguousarray(values).view(np.uint8).reshape(-1).data) if values.size else 0


def checksums_name(stream: str) -> str:
    return f"{stream}_checksums"
