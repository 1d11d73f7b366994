"""What can be run with one click or one command."""

import dagster as dg

from assets.partitions import EVALUATION, GROUP

label_shards = dg.define_asset_job(
    "label_shards",
    selection=dg.AssetSelection.groups(GROUP),
    description="From photos to masks at every granularity, a shard a run.",
)

train_round1 = dg.define_asset_job(
    "train_round1",
    selection=dg.AssetSelection.assets("round1_model"),
    description="A model from the labels of the chosen shards, or of all.",
)

predict_round1 = dg.define_asset_job(
    "predict_round1",
    selection=dg.AssetSelection.assets("round1_masks", "round2_labels"),
    description="What the first model finds in a shard, and the labels of the second round.",
)

train_round2 = dg.define_asset_job(
    "train_round2",
    selection=dg.AssetSelection.assets("unsam_model"),
    description="The first model, trained on with its own labels.",
)

predict_round2 = dg.define_asset_job(
    "predict_round2",
    selection=dg.AssetSelection.assets("unsam_masks"),
    description="What the final model finds in a shard.",
)

evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.groups(EVALUATION),
    description="Pseudo-labels and both models against the human masks of a dataset.",
)
