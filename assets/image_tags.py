"""Image-level tags, which a person gives: `unsam tags FILE` publishes them."""

import dagster as dg

from assets.partitions import CLASSES

image_tags = dg.AssetSpec(
    "image_tags",
    group_name=CLASSES,
    kinds={"json"},
    description="Which classes each photo shows. Given from outside, by `unsam tags FILE`; never computed.",
)
