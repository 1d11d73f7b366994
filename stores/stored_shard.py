"""What every reader of a shard's version has in common: which images it holds, and which could not be done."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Self

from stores.shard_group import GroupReader
from stores.versions import Versions


class StoredShard:
    """One version of a shard's values, read image by image when asked for. Picklable.

    Attributes:
        version: the version that is read; it stays the same when another becomes current.
        keys: the images, in stored order.
        failed: reason by key of images that could not be done.
    """

    def __init__(self, versions: Versions, version: str | None = None) -> None:
        """Args:
        version: empty takes the current one.

        Raises:
            NoVersion: there is none.
            IncompleteVersion: its writer did not finish.
        """
        self.versions, self.version = versions, versions.readable(version)
        self._group = GroupReader(versions.content(self.version))
        self.keys: list[str] = self._group.attributes["image_keys"]
        self.failed: dict[str, str] = self._group.attributes["failed"]

    def __reduce__(self) -> tuple[type[Self], tuple[Versions, str]]:
        return type(self), (self.versions, self.version)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return key in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys)

    def verify(self) -> None:
        """Read everything once; CorruptShard where a stored byte is not what was written."""
        self._group.verify()

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: index for index, key in enumerate(self.keys)}
