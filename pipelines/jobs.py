"""What can be run with one click or one command."""

import dagster as dg

from assets.partitions import GROUP

label_shards = dg.define_asset_job(
    "label_shards",
    selection=dg.AssetSelection.groups(GROUP),
    description="From photos to masks at every granularity, a shard a run.",
)
