"""The manifest of a shard, decoded again only where a file or a limit has changed."""

from __future__ import annotations

from ops.settings import LimitSettings
from stores.home import Home
from stores.manifests import Manifest, build_manifest, manifest_versions, open_manifest, publish_manifest
from stores.shards import ShardSource
from stores.versions import NoVersion

MANIFEST_CHECKS = ("decodable",)


def refresh_manifest(
    home: Home, source: ShardSource, limits: LimitSettings, force: bool = False
) -> tuple[Manifest, bool]:
    """Publish what the shard holds now.

    Every file is read and hashed; they are decoded only if one differs from the current manifest, or if that was made
    under other limits.

    Returns:
        The manifest, and whether the current one was still true.
    """
    current = None if force else _current(home, source.shard, limits)
    if current is not None:
        seen = build_manifest(source, decode=False)
        if [(e.key, e.digest) for e in seen.entries] == [(e.key, e.digest) for e in current.entries]:
            return current, True
    manifest = build_manifest(source, max_pixels=limits.max_pixels, min_side=limits.min_side)
    publish_manifest(home, manifest, {"limits": limits.model_dump()})
    return manifest, False


def check_manifest(manifest: Manifest) -> dict[str, list[str]]:
    """Problems by check: single bad images are quarantined and pass, a shard of nothing else does not."""
    if manifest.keys:
        return {"decodable": []}
    reasons = [f"{key}: {reason}" for key, reason in manifest.quarantined.items()]
    return {"decodable": reasons or ["the shard has no images"]}


def _current(home: Home, shard: str, limits: LimitSettings) -> Manifest | None:
    versions = manifest_versions(home, shard)
    try:
        if versions.provenance().get("limits") != limits.model_dump():
            return None
        return open_manifest(home, shard)
    except NoVersion:
        return None
