"""What a shard holds, image by image, and the register of all shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from stores.home import Home
from stores.images import DEFAULT_MAX_PIXELS, DEFAULT_MIN_SIDE, UnreadableImage, decode_image
from stores.shards import MissingMember, ShardReader, ShardSource
from stores.versions import Versions

ASSET = "shard_manifest"
_FILE = "manifest.json"
_SOURCES = "sources"


class ManifestEntry(BaseModel):
    """One image of a shard.

    Attributes:
        key: path inside the folder or tar.
        width, height: pixels of the upright image; 0 where it could not be decoded or was not.
        bytes: size of the file.
        digest: BLAKE2b of the file, 32 hex digits; empty where it could not be read.
        quarantined: why the image is left out of everything that follows; None for a good one.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    width: int
    height: int
    bytes: int
    digest: str
    quarantined: str | None = None


class Manifest(BaseModel):
    """All images of a shard, the good and the quarantined; JSON by `model_dump_json` / `model_validate_json`.

    Attributes:
        shard: its key.
        entries: one for each image, by key.
        skipped: files that are no images, counted by reason.
        fingerprint: equal for shards of equal content; changes when a file does.
        problems: what else was wrong with the folder or tar, a sentence each.
    """

    model_config = ConfigDict(frozen=True)

    shard: str
    entries: tuple[ManifestEntry, ...]
    skipped: dict[str, int]
    fingerprint: str
    problems: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """The images that can be used."""
        return [entry.key for entry in self.entries if entry.quarantined is None]

    @property
    def quarantined(self) -> dict[str, str]:
        """Reason by key of the images that cannot be used."""
        return {entry.key: entry.quarantined for entry in self.entries if entry.quarantined is not None}


class UnknownShard(LookupError):
    """No shard of that key is registered in this home."""


def build_manifest(
    source: ShardSource,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    min_side: int = DEFAULT_MIN_SIDE,
    decode: bool = True,
    threads: int = 4,
) -> Manifest:
    """Read every image of a shard; broken ones are quarantined with their reason and never stop the rest.

    Args:
        max_pixels, min_side: limits of `decode_image`.
        decode: False only reads and hashes the files, and leaves width and height 0.
        threads: images read and decoded at the same time.
    """
    inspect = partial(_entry, source.open(), max_pixels=max_pixels, min_side=min_side, decode=decode)
    with ThreadPoolExecutor(threads) as pool:
        entries = tuple(pool.map(inspect, sorted(member.key for member in source.members)))
    return Manifest(
        shard=source.shard,
        entries=entries,
        skipped=source.skipped,
        fingerprint=_fingerprint(entries),
        problems=source.problems,
    )


def publish_manifest(home: Home, manifest: Manifest, provenance: Mapping[str, Any] | None = None) -> str:
    """Keep a manifest as the current one of its shard; returns its version, the fingerprint.

    Args:
        provenance: JSON values that say how it was made, such as the limits.
    """
    versions = manifest_versions(home, manifest.shard)
    place = versions.location(manifest.fingerprint) / _FILE
    place.write_bytes(manifest.model_dump_json(indent=1).encode())
    versions.publish(manifest.fingerprint, {"fingerprint": manifest.fingerprint, **(provenance or {})}, content=_FILE)
    return manifest.fingerprint


def open_manifest(home: Home, shard: str, version: str | None = None) -> Manifest:
    """The current manifest of a shard, or the one of `version`.

    Raises:
        NoVersion, IncompleteVersion: it was not made yet.
    """
    content = manifest_versions(home, shard).content(version)
    return Manifest.model_validate_json(content.read_bytes())


def manifest_versions(home: Home, shard: str) -> Versions:
    return home.versions("manifests", ASSET, shard)


def register(home: Home, sources: Iterable[ShardSource]) -> list[str]:
    """Write shards into the home's register; returns their keys. What a key stands for never changes.

    Raises:
        ValueError: a key is registered already and stands for other images.
    """
    keys = []
    for source in sources:
        place = home.manifests / _SOURCES / f"{source.shard}.json"
        if not place.exists():
            place.write_bytes(source.model_dump_json().encode())
        elif ShardSource.model_validate_json(place.read_bytes()) != source:
            raise ValueError(f"shard {source.shard} is registered already with other images; discover it anew")
        keys.append(source.shard)
    return keys


def reregister(home: Home, sources: Iterable[ShardSource]) -> None:
    """Put sources in the place of those that are registered under their keys: their tar was written anew."""
    for source in sources:
        (home.manifests / _SOURCES / f"{source.shard}.json").write_bytes(source.model_dump_json().encode())


def registered(home: Home) -> list[str]:
    """Keys of all registered shards, sorted."""
    places = (home.manifests / _SOURCES).iterdir()
    return sorted(place.name.removesuffix(".json") for place in places)


def source_of(home: Home, shard: str) -> ShardSource:
    """What a registered shard consists of.

    Raises:
        UnknownShard: it is not registered.
    """
    place = home.manifests / _SOURCES / f"{shard}.json"
    try:
        return ShardSource.model_validate_json(place.read_bytes())
    except FileNotFoundError as error:
        raise UnknownShard(f"shard {shard!r} is not registered in {home.location}; add its photos first") from error


def _entry(reader: ShardReader, key: str, max_pixels: int, min_side: int, decode: bool) -> ManifestEntry:
    try:
        data = reader.read(key)
    except (MissingMember, PermissionError) as error:
        return ManifestEntry(key=key, width=0, height=0, bytes=0, digest="", quarantined=str(error))
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    width, height, reason = 0, 0, None
    try:
        if decode:
            height, width = decode_image(data, max_pixels, min_side).shape[:2]
    except UnreadableImage as error:
        reason = error.reason
    return ManifestEntry(key=key, width=width, height=height, bytes=len(data), digest=digest, quarantined=reason)


def _fingerprint(entries: Iterable[ManifestEntry]) -> str:
    content = hashlib.blake2b(digest_size=8)
    for entry in entries:
        content.update(f"{entry.key}\0{entry.digest}\0{entry.quarantined or ''}\n".encode())
    return content.hexdigest()
