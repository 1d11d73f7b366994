"""The label maps of a shard in one Zarr v3 group: one map or several named layers an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from stores.home import Home
from stores.shard_group import GroupWriter
from stores.shard_writer import ShardWriter
from stores.stored_shard import StoredShard
from stores.versions import Versions


@dataclass(frozen=True)
class LabelledImage:
    """Label maps of one image by layer, (H, W) uint8 each, and numbers that say how they came to be."""

    layers: Mapping[str, np.ndarray]
    counts: Mapping[str, int] = field(default_factory=dict)


class LabelShardWriter(ShardWriter):
    """Writes one version of a shard's label maps: `add` images in any order, then `finish`.

    Args:
        layers, counts: names of each, the same for every image.
    """

    format = "labels"

    def __init__(
        self,
        versions: Versions,
        version: str,
        image_keys: Iterable[str],
        layers: Iterable[str],
        counts: Iterable[str] = (),
    ) -> None:
        super().__init__(versions, version, image_keys)
        self.layers, self.counts = tuple(layers), tuple(counts)

    def add(self, key: str, content: LabelledImage) -> None:
        """Keep the layers and counts of one image.

        Raises:
            ValueError: other layers, counts, types or sizes; the key is not of this shard, or the version is published.
            OutOfSpace: they do not fit; what was added before stays.
        """
        layers = content.layers
        shapes = {layer.shape for layer in layers.values()}
        wrong = [name for name, layer in layers.items() if layer.dtype != np.uint8 or layer.ndim != 2]
        if tuple(layers) != self.layers or tuple(content.counts) != self.counts or len(shapes) != 1 or wrong:
            raise ValueError(
                f"labels of {key}: (H, W) uint8 of one size for {self.layers} and counts {self.counts} expected, "
                f"got {shapes} for {tuple(layers)} and {tuple(content.counts)}"
            )
        counts = {f"count_{name}": np.array(value, np.int64) for name, value in content.counts.items()}
        self._add(key, {**layers, **counts})

    def _write_arrays(self, group: GroupWriter, keys: list[str]) -> None:
        streams = {name: group.stream(name, np.dtype(np.uint8)) for name in self.layers}
        sizes = []
        counts: dict[str, list[int]] = {f"count_{name}": [] for name in self.counts}
        for key in keys:
            part = self._parts.read(key)
            sizes.append(part[self.layers[0]].shape)
            for name, stream in streams.items():
                stream.append(part[name].reshape(-1))
            for name, values in counts.items():
                values.append(int(part[name]))
        for stream in streams.values():
            stream.close()
        group.column("image_sizes", np.array(sizes, np.int32).reshape(-1, 2))
        for name, values in counts.items():
            group.column(name, np.array(values, np.int64))


class LabelShardReader(StoredShard):
    """The label maps of one version of a shard; see `StoredShard`."""

    def layer(self, key: str, name: str) -> np.ndarray:
        """One layer of image `key`, (H, W) uint8.

        Raises:
            KeyError: the shard has no such image.
            CorruptShard: the stored bytes are not what was written.
        """
        index = self._index[key]
        start, stop = (int(value) for value in self._offsets[index : index + 2])
        return self._group.rows(name, start, stop).reshape(self.sizes()[index])

    def items(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        """Key and layer `name` of every image."""
        for key in self.keys:
            yield key, self.layer(key, name)

    def counts(self, name: str) -> np.ndarray:
        """One count of every image, (images,) int64, in the order of `keys`."""
        return self._group.column(f"count_{name}")

    def sizes(self) -> np.ndarray:
        """(H, W) of every image, (images, 2) int32, in the order of `keys`."""
        return self._group.column("image_sizes")

    @cached_property
    def _offsets(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.sizes().prod(axis=1, dtype=np.int64))])


def open_labels(home: Home, asset: str, shard: str, version: str | None = None) -> LabelShardReader:
    """The label maps of one shard of an asset, the current version unless one is named.

    Raises:
        NoVersion, IncompleteVersion: there is nothing that may be read.
    """
    return LabelShardReader(home.versions_of(asset, shard), version)
