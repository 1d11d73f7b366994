"""The token grids of a shard in one Zarr v3 group, as half precision or as int8 with a scale a token."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from stores.home import Home
from stores.shard_group import GroupWriter
from stores.shard_writer import ShardWriter
from stores.stored_shard import StoredShard
from stores.versions import Versions

Precision = Literal["float16", "int8"]
_INT8_TOP = 127.0


class FeatureShardWriter(ShardWriter):
    """Writes one version of a shard's token grids: `add` images in any order, then `finish`."""

    format = "features"

    def __init__(
        self, versions: Versions, version: str, image_keys: Iterable[str], precision: Precision = "float16"
    ) -> None:
        """Args:
        precision: "float16", or "int8" with one float16 scale a token (half the bytes).

        Raises:
            ValueError: another precision, or a key that is there twice.
        """
        if precision not in get_args(Precision):
            raise ValueError(f"precision {precision!r} is none of {', '.join(get_args(Precision))}")
        super().__init__(versions, version, image_keys)
        self.precision = precision

    def add(self, key: str, content: np.ndarray) -> None:
        """Keep the tokens of one image, floating (h, w, C) with the same C for all images of the shard.

        Raises:
            ValueError: the key is not of this shard, the version is published, or the tokens are not (h, w, C), not
                finite, or too large for half precision.
            OutOfSpace: they do not fit; what was added before stays.
        """
        if content.ndim != 3 or not content.size:
            raise ValueError(f"tokens of {key} have shape {content.shape}; (h, w, C) is expected")
        if not np.isfinite(content).all() or np.abs(content).max() > np.finfo(np.float16).max:
            raise ValueError(f"tokens of {key} are not finite in half precision")
        grid = np.array(content.shape[:2], np.int32)
        rows = content.reshape(-1, content.shape[2])
        if self.precision == "int8":
            values, scales = quantise_int8(rows)
            self._add(key, {"grid": grid, "tokens": values, "scales": scales})
        else:
            self._add(key, {"grid": grid, "tokens": rows.astype(np.float16)})

    def _write_arrays(self, group: GroupWriter, keys: list[str]) -> None:
        width = self._parts.read(keys[0])["tokens"].shape[1] if keys else 0
        streams = {"tokens": group.stream("tokens", np.dtype(self.precision), (width,))}
        if self.precision == "int8":
            streams["scales"] = group.stream("scales", np.dtype(np.float16))
        grids = []
        for key in keys:
            part = self._parts.read(key)
            if part["tokens"].shape[1:] != (width,):
                raise ValueError(f"tokens of {key} have {part['tokens'].shape[1]} channels, those before it {width}")
            for name, stream in streams.items():
                stream.append(part[name])
            grids.append(part["grid"])
        for stream in streams.values():
            stream.close()
        group.column("grids", np.array(grids, np.int32).reshape(-1, 2))


class FeatureShardReader(StoredShard):
    """The token grids of one version of a shard; see `StoredShard`.

    Attributes:
        precision: how they are stored.
    """

    def __getitem__(self, key: str) -> np.ndarray:
        """Tokens of image `key`, (h, w, C) float32.

        Raises:
            KeyError: the shard has no such image.
            CorruptShard: the stored bytes are not what was written.
        """
        index = self._index[key]
        height, width = (int(value) for value in self._group.column("grids")[index])
        start, stop = (int(value) for value in self._offsets[index : index + 2])
        rows = self._group.rows("tokens", start, stop)
        if self.precision == "int8":
            tokens = dequantise_int8(rows, self._group.rows("scales", start, stop))
        else:
            tokens = rows.astype(np.float32)
        return tokens.reshape(height, width, -1)

    @cached_property
    def precision(self) -> str:
        return "int8" if self._group.has("scales") else "float16"

    @cached_property
    def _offsets(self) -> np.ndarray:
        tokens = self._group.column("grids").prod(axis=1, dtype=np.int64)
        return np.concatenate([[0], np.cumsum(tokens)])


def open_features(home: Home, asset: str, shard: str, version: str | None = None) -> FeatureShardReader:
    """The token grids of one shard of an asset, the current version unless one is named.

    Raises:
        NoVersion, IncompleteVersion: there is nothing that may be read.
    """
    return FeatureShardReader(home.versions("features", asset, shard), version)


def quantise_int8(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round tokens (..., C) to int8 (..., C) and one float16 scale (...) each; the error is at most half a scale.

    Tokens whose largest value is below about 7.6e-6 come back as zeros: their scale is no float16 any more.
    """
    tokens = np.asarray(tokens, np.float32)
    top = np.abs(tokens).max(axis=-1)
    scales = (top / _INT8_TOP).astype(np.float16)
    # A scale that was rounded down would send the largest value beyond 127.
    short = scales.astype(np.float32) * _INT8_TOP < top
    scales = np.where(short, np.nextafter(scales, np.float16(np.inf)), scales)
    steps = tokens / np.where(scales > 0, scales, 1).astype(np.float32)[..., None]
    return np.round(steps).astype(np.int8), scales


def dequantise_int8(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Tokens (..., C) float32 from int8 values (..., C) and their scales (...)."""
    return values.astype(np.float32) * scales.astype(np.float32)[..., None]
