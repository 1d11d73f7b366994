"""The folders and tars that were registered, so that what comes to them later is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from stores.home import Home
from stores.location import Location
from stores.shards import SHARD_SIZE

_FOLDER = "watched"


class WatchedSource(BaseModel):
    """A folder or tar by path or URL.

    Attributes:
        shard_size: most images of a shard made from it.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    shard_size: int = SHARD_SIZE


def watch(home: Home, sources: Iterable[WatchedSource]) -> None:
    """Remember sources; one of the same URL is replaced."""
    for source in sources:
        name = hashlib.sha256(source.url.encode()).hexdigest()[:16]
        (home.manifests / _FOLDER / f"{name}.json").write_bytes(source.model_dump_json().encode())


def watched(home: Home) -> list[WatchedSource]:
    """All remembered sources, by URL."""
    places = (home.manifests / _FOLDER).iterdir()
    found = [WatchedSource.model_validate_json(place.read_bytes()) for place in places]
    return sorted(found, key=lambda source: source.url)


def watchable(path: str) -> bool:
    """Whether a path is one that more can come to: a folder, or a tar that may be written anew."""
    location = Location(path)
    return location.name.lower().endswith(".tar") or location.is_folder()
