"""Label chains in a home, published as the stages would but without their content: enough to be fresh or stale."""

from __future__ import annotations

from collections.abc import Iterable

from ops.label_provenance import divide_provenance, feature_provenance, hierarchy_provenance
from ops.settings import LabelSettings
from ops.staleness import LABEL_ASSETS, LabelRecipe
from stores.home import Home
from stores.manifests import register
from stores.shards import Member, ShardSource
from stores.versions import version_of

CODE = {"dino_features": "1", "ncut_masks": "1", "hierarchical_masks": "1"}
WEIGHTS = "aaaa"


def recipe(weights: str | None = WEIGHTS, code: dict[str, str] | None = None, **settings: object) -> LabelRecipe:
    return LabelRecipe(LabelSettings.model_validate(settings), {**CODE, **(code or {})}, weights)


def register_tars(home: Home, count: int, images: int = 2) -> list[str]:
    """Register shards of tars that need not exist; their keys."""
    members = tuple(Member(key=f"{number}.jpg", start=512 * number, size=100) for number in range(images))
    sources = [
        ShardSource(shard=f"sa-{number:06d}-0000", kind="tar", url=f"/data/sa_{number:06d}.tar", members=members)
        for number in range(count)
    ]
    return register(home, sources)


def publish_chain(
    home: Home,
    shard: str,
    settings: LabelSettings | None = None,
    manifest: str = "m1",
    weights: str = WEIGHTS,
    assets: Iterable[str] = LABEL_ASSETS,
    forced: str | None = None,
) -> None:
    """Make versions of a shard's stages current, each naming the one before."""
    settings, wanted = settings or LabelSettings(), set(assets)
    features = feature_provenance("1", manifest, settings, weights, forced)
    objects = divide_provenance("1", manifest, version_of(features), settings, forced)
    masks = hierarchy_provenance("1", version_of(objects), settings, forced)
    home.versions_of("shard_manifest", shard).publish(manifest, {})
    for asset, provenance in (("dino_features", features), ("ncut_masks", objects), ("hierarchical_masks", masks)):
        if asset in wanted:
            home.versions_of(asset, shard).publish(version_of(provenance), provenance)
