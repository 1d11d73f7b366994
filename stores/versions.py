"""Immutable versions of one value and the one pointer that says which is current (DESIGN, The stores)."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stores.location import Location

CURRENT = "CURRENT"
MARK = "provenance.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class NoVersion(LookupError):
    """Nothing has been published here, or not under that name."""


class IncompleteVersion(RuntimeError):
    """A version whose writer did not finish: it must not be read."""


def version_of(provenance: Mapping[str, Any]) -> str:
    """A name for what `provenance` (JSON values, finite numbers) describes: 16 hex digits, equal for equal input."""
    canonical = json.dumps(provenance, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Versions:
    """The versions of one asset's value for one shard.

    Layout: `<version>/…` holds the content, `<version>/provenance.json` is written last and marks it complete,
    `CURRENT` holds the name of the version that readers open. A crash leaves litter, never a lie.
    """

    location_of_all: Location

    def location(self, version: str) -> Location:
        """The folder of `version`, which need not exist.

        Raises:
            ValueError: the name could not be a folder's.
        """
        if not _NAME.fullmatch(version) or version == CURRENT:
            raise ValueError(f"{version!r} is not a version name: letters, digits, dot, underscore and dash only")
        return self.location_of_all / version

    def current(self) -> str | None:
        """The version that readers open; None where nothing has been published."""
        try:
            return (self.location_of_all / CURRENT).read_bytes().decode().strip()
        except FileNotFoundError:
            return None

    def is_complete(self, version: str) -> bool:
        return (self.location(version) / MARK).exists()

    def readable(self, version: str | None = None) -> str:
        """`version`, or the current one where none is named, checked to be complete.

        Raises:
            NoVersion: there is none of that name, or nothing is published.
            IncompleteVersion: its writer did not finish.
        """
        version = version or self.current()
        if version is None:
            raise NoVersion(f"nothing is published in {self.location_of_all}; materialise it first")
        if self.is_complete(version):
            return version
        if next(self.location(version).iterdir(), None) is None:
            raise NoVersion(f"there is no version {version} in {self.location_of_all}")
        raise IncompleteVersion(f"version {version} in {self.location_of_all} was not finished; materialise it again")

    def publish(self, version: str, provenance: Mapping[str, Any], content: str = "") -> None:
        """Mark `version` complete, then make it the current one.

        Args:
            provenance: JSON values: code version, configuration, weight hash, input versions, …
            content: name of the file or folder inside the version that holds the value, where writers choose it.
        """
        place = self.location(version)
        place.flush()
        mark = {"version": version, "created": time.time(), "content": content, "provenance": dict(provenance)}
        (place / MARK).write_bytes(json.dumps(mark, indent=1, allow_nan=False).encode())
        self._point_to(version)

    def provenance(self, version: str | None = None) -> dict[str, Any]:
        """What `publish` was told about the version (the current one by default)."""
        return self._mark(self.readable(version))["provenance"]

    def content(self, version: str | None = None) -> Location:
        """The place of a complete version's value (the current one's by default)."""
        version = self.readable(version)
        name = self._mark(version)["content"]
        return self.location(version) / name if name else self.location(version)

    def rollback(self, version: str) -> None:
        """Make an older complete version the current one.

        Raises:
            NoVersion, IncompleteVersion: it cannot be read.
        """
        self._point_to(self.readable(version))

    def withdraw(self, version: str) -> str | None:
        """Stop giving `version` to readers, if it is the current one: the newest other complete one takes its place.

        Returns:
            What is current now; None where nothing is.
        """
        if self.current() == version:
            others = [name for name in self.all() if name != version and self.is_complete(name)]
            if others:
                self._point_to(others[-1])
            else:
                (self.location_of_all / CURRENT).delete()
        return self.current()

    def all(self) -> list[str]:
        """Names of all versions, finished or not: first the unfinished by name, then the others, oldest first."""
        names = [place.name for place in self.location_of_all.iterdir() if _NAME.fullmatch(place.name)]
        return sorted((name for name in names if name != CURRENT), key=lambda name: (self._created(name), name))

    def sweep(self, keep: int = 2, min_age: float = 3600.0) -> list[str]:
        """Delete what no reader needs; never the current version.

        Args:
            keep: complete versions besides the current one that stay, the newest.
            min_age: seconds since its last write before anything is deleted; younger may still be written or read.

        Returns:
            The places deleted, as `version` or `version/file` for the litter inside a version that stays.
        """
        complete = [name for name in self.all() if self.is_complete(name) and name != self.current()]
        kept = set(complete[len(complete) - keep :] if keep else [])
        swept: list[str] = []
        for version in self.all():
            if version != self.current() and version not in kept:
                swept += self._delete_if_old([self.location(version)], min_age)
            elif self.is_complete(version):
                swept += self._delete_if_old(self._litter(version), min_age)
        return swept

    def _delete_if_old(self, places: list[Location], min_age: float) -> list[str]:
        swept = []
        for place in places:
            if time.time() - place.modified() >= min_age:
                (place / MARK).delete()
                place.delete()
                swept.append(place.url.removeprefix(self.location_of_all.url).strip("/"))
        return swept

    def _litter(self, version: str) -> list[Location]:
        content = self._mark(version)["content"]
        if not content:
            return []
        return [place for place in self.location(version).iterdir() if place.name not in (content, MARK)]

    def _created(self, version: str) -> float:
        return self._mark(version)["created"] if self.is_complete(version) else 0.0

    def _mark(self, version: str) -> dict[str, Any]:
        return json.loads((self.location(version) / MARK).read_bytes())

    def _point_to(self, version: str) -> None:
        (self.location_of_all / CURRENT).write_bytes(f"{version}\n".encode())
