"""How one version of a shard comes to be: parts, image by image, then one group, checked and published."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stores.location import Location
from stores.parts import Parts
from stores.shard_group import GroupReader, GroupWriter, finish_writes
from stores.versions import IncompleteVersion, Versions

FORMAT_VERSION = 1


class ShardWriter(ABC):
    """One writer of one version. Killed at any moment, its successor finds the finished images in `done()`."""

    format: str

    def __init__(self, versions: Versions, version: str, image_keys: Iterable[str]) -> None:
        """Args:
        version: name by `version_of` of everything that decides the content.
        image_keys: the shard's images, in the order in which they will be stored.

        Raises:
            ValueError: a key is there twice.
        """
        self.versions, self.version = versions, version
        self.image_keys = list(image_keys)
        if len(set(self.image_keys)) != len(self.image_keys):
            raise ValueError(f"image keys of {versions.location_of_all} are not unique")
        self._known = frozenset(self.image_keys)
        self._parts = Parts(versions.location(version) / "parts")
        self._complete = versions.is_complete(version)

    def done(self) -> set[str]:
        """Images that need not be computed again; all of them when this version was published before."""
        return set(self.image_keys) if self._complete else self._parts.done(self.image_keys)

    def finish(self, provenance: Mapping[str, Any], failed: Mapping[str, str] | None = None) -> str:
        """Join the parts in key order, read the result back, publish it, and delete the parts.

        Args:
            provenance: JSON values that say how the version was made.
            failed: reason by key of images that could not be done; they are left out and the reason is kept.

        Returns:
            The version, which is now the current one.

        Raises:
            IncompleteVersion: images are neither done nor failed.
            OutOfSpace: the disk is full; the parts and the version that was current stay.
        """
        if self._complete:
            self.versions.rollback(self.version)
        else:
            self._publish(provenance, dict(failed or {}))
        self._parts.delete()
        return self.version

    def _publish(self, provenance: Mapping[str, Any], failed: dict[str, str]) -> None:
        keys = [key for key in self.image_keys if key not in failed]
        missing = set(keys) - self.done()
        if missing:
            raise IncompleteVersion(f"{len(missing)} of {len(keys)} images are not done, one is {min(missing)}")
        # A name of its own for each attempt: two writers that race cannot mix their chunks.
        place = self.versions.location(self.version) / f"{self.format}-{uuid.uuid4().hex[:8]}.zarr"
        try:
            self._write_group(place, keys, failed)
            GroupReader(place).verify()
        except BaseException:
            finish_writes()
            place.delete()
            raise
        self.versions.publish(self.version, provenance, content=place.name)
        self._complete = True

    def _write_group(self, place: Location, keys: list[str], failed: dict[str, str]) -> None:
        group = GroupWriter(place)
        self._write_arrays(group, keys)
        group.close({"format": self.format, "format_version": FORMAT_VERSION, "image_keys": keys, "failed": failed})

    def _add(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        if self._complete:
            raise ValueError(
                f"version {self.version} in {self.versions.location_of_all} is published: it cannot change"
            )
        if key not in self._known:
            raise ValueError(f"{key!r} is not one of the {len(self.image_keys)} images of this shard")
        self._parts.write(key, arrays)

    @abstractmethod
    def add(self, key: str, content: Any) -> None:
        """Keep what was computed for one image, so that it survives this process."""

    @abstractmethod
    def _write_arrays(self, group: GroupWriter, keys: list[str]) -> None:
        """Write the arrays of all `keys`, read part by part from `self._parts`."""
