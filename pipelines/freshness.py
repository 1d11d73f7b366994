"""When the UI calls an asset late: labels sooner than models."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from pipelines.automation import Lateness

_WARN_AT = 0.5


def with_freshness(assets: Iterable[dg.AssetsDefinition], late: Lateness) -> list[dg.AssetsDefinition]:
    """The assets with a policy each: a warning after half of the days, late after all of them."""
    return [
        asset.map_asset_specs(lambda spec: dg.apply_freshness_policy(spec, _policy(spec, late))) for asset in assets
    ]


def _policy(spec: dg.AssetSpec, late: Lateness) -> dg.FreshnessPolicy:
    is_model = spec.key.path[-1].endswith(("_model", "_classifier"))
    days = late.models_days if is_model else late.labels_days
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(days=days), warn_window=timedelta(days=days * _WARN_AT))
