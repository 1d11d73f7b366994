"""Blocking checks of each stage: what fails here never reaches the stage after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from stores.manifests import Manifest

_SHOWN = 20


def specs(asset: str, names: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """Specs of blocking checks of `asset`."""
    return [dg.AssetCheckSpec(name, asset=asset, blocking=True) for name in names]


def results(problems: Mapping[str, Sequence[str]]) -> list[dg.AssetCheckResult]:
    """One result a check: passed where it has no problems, else with the first of them."""
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=not found,
            metadata={
                "problems": len(found),
                "first": dg.MetadataValue.md("\n".join(f"* {p}" for p in found[:_SHOWN])),
            },
        )
        for name, found in problems.items()
    ]


def manifest_problems(manifest: Manifest) -> dict[str, list[str]]:
    """A shard of which nothing can be decoded stops here; single bad images are quarantined and pass."""
    if manifest.keys:
        return {"decodable": []}
    reasons = [f"{key}: {reason}" for key, reason in manifest.quarantined.items()]
    return {"decodable": reasons or ["the shard has no images"]}
