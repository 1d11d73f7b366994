"""The tags of a home: one file for all shards, kept as an immutable version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stores.home import Home
from stores.manifests import open_manifest
from stores.tags import BadTags, MatchedTags, Tags
from stores.versions import NoVersion, version_of

ASSET = "image_tags"
_FILE = "tags.json"
_NAMED = 5


@dataclass(frozen=True)
class TagCounts:
    """How tags and photos fit together: tagged photos, photos without an entry, entries without a photo."""

    tagged: int
    untagged: int
    unused: int


def publish_tags(home: Home, tags: Tags) -> str:
    """Make tags the current ones; returns their version, equal for equal tags."""
    data = tags.to_json()
    provenance = {"asset": ASSET, "digest": hashlib.sha256(data).hexdigest()}
    version = version_of(provenance)
    versions = home.versions_of(ASSET)
    if versions.is_complete(version):
        versions.rollback(version)
        return version
    (versions.location(version) / _FILE).write_bytes(data)
    versions.publish(version, provenance, content=_FILE)
    return version


def open_tags(home: Home, version: str | None = None) -> Tags:
    """The tags of a version, the current one where none is named.

    Raises:
        NoVersion: there are none.
    """
    try:
        return Tags.from_json(home.versions_of(ASSET).content(version).read_bytes())
    except NoVersion as error:
        raise NoVersion(f"there are no tags in {home.location}; give some with: unsam tags FILE") from error


def tags_of_shards(home: Home, tags: Tags, shards: Iterable[str]) -> dict[str, MatchedTags]:
    """Tags of each shard's readable images.

    Raises:
        NoVersion: a shard has no manifest yet.
        BadTags: two images share a name, or no image of any shard has tags.
    """
    matched = {shard: tags.matched(open_manifest(home, shard).keys) for shard in shards}
    if not any(each.of_key for each in matched.values()):
        named = ", ".join(list(tags.of_image)[:_NAMED])
        raise BadTags(
            f"no photo of {len(matched)} shards is among the tagged ones ({named}, …): are the names the same?"
        )
    return matched


def counts_of(tags: Tags, matched: Mapping[str, MatchedTags]) -> TagCounts:
    """How many of both fit."""
    used = frozenset().union(*(each.used for each in matched.values())) if matched else frozenset()
    return TagCounts(
        tagged=sum(len(each.of_key) for each in matched.values()),
        untagged=sum(len(each.missing) for each in matched.values()),
        unused=len(set(tags.of_image) - used),
    )
