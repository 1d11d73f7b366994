"""What can be run with one click or one command."""

import dagster as dg

from assets.partitions import CLASS_EVALUATION, EVALUATION, GROUP, PROMPT_EVALUATION

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

merge_plus = dg.define_asset_job(
    "merge_plus",
    selection=dg.AssetSelection.assets("sa1b_masks", "plus_labels"),
    description="Human masks of a shard, and the unsupervised ones that they leave over.",
)

train_plus = dg.define_asset_job(
    "train_plus",
    selection=dg.AssetSelection.assets("unsam_plus_model"),
    description="A model from human masks and what humans overlooked.",
)

predict_plus = dg.define_asset_job(
    "predict_plus",
    selection=dg.AssetSelection.assets("unsam_plus_masks"),
    description="What UnSAM+ finds in a shard.",
)

merge_union = dg.define_asset_job(
    "merge_union",
    selection=dg.AssetSelection.assets("union_labels"),
    description="Human masks of a shard and all unsupervised ones.",
)

train_ablations = dg.define_asset_job(
    "train_ablations",
    selection=dg.AssetSelection.assets("human_only_model", "union_model"),
    description="What UnSAM+ is compared with: human masks alone, and the union without tau.",
)

predict_ablations = dg.define_asset_job(
    "predict_ablations",
    selection=dg.AssetSelection.assets("human_only_masks", "union_masks"),
    description="What the models of the ablations find in a shard.",
)

train_promptable = dg.define_asset_job(
    "train_promptable",
    selection=dg.AssetSelection.assets("promptable_model"),
    description="A model that answers clicks and boxes, from the masks of the chosen shards, or of all.",
)

train_promptable_plus = dg.define_asset_job(
    "train_promptable_plus",
    selection=dg.AssetSelection.assets("promptable_plus_model"),
    description="The same from the labels of UnSAM+.",
)

segment_everything = dg.define_asset_job(
    "segment_everything",
    selection=dg.AssetSelection.assets("auto_masks"),
    description="What the promptable model finds in a shard by a grid of clicks.",
)

evaluate_prompts = dg.define_asset_job(
    "evaluate_prompts",
    selection=dg.AssetSelection.groups(PROMPT_EVALUATION),
    description="Promptable models against the human masks of a dataset: clicks, boxes, edges.",
)

propose = dg.define_asset_job(
    "propose",
    selection=dg.AssetSelection.assets("proposals"),
    description="Data engine: masks of a shard for people to correct, and what is left over.",
)

take_corrections = dg.define_asset_job(
    "take_corrections",
    selection=dg.AssetSelection.assets("corrected_masks", "engine_labels"),
    description="Data engine: what people made of the proposals, and the labels of the next round.",
)

label_automatically = dg.define_asset_job(
    "label_automatically",
    selection=dg.AssetSelection.assets("proposals", "engine_labels"),
    description="Data engine: sure masks of a shard as labels, without people.",
)

train_classifier = dg.define_asset_job(
    "train_classifier",
    selection=dg.AssetSelection.assets("image_classifier"),
    description="A classifier of the tags of the chosen shards, or of all.",
)

label_classes = dg.define_asset_job(
    "label_classes",
    selection=dg.AssetSelection.assets("cam_labels", "sepl_labels"),
    description="From tags to the class of each pixel, repaired with masks, a shard a run.",
)

train_semantic = dg.define_asset_job(
    "train_semantic",
    selection=dg.AssetSelection.assets("semantic_model"),
    description="A segmentation network from the repaired labels.",
)

predict_classes = dg.define_asset_job(
    "predict_classes",
    selection=dg.AssetSelection.assets("semantic_labels"),
    description="What the segmentation network says of a shard.",
)

evaluate_classes = dg.define_asset_job(
    "evaluate_classes",
    selection=dg.AssetSelection.groups(CLASS_EVALUATION),
    description="Label maps of every stage against true ones.",
)

JOBS = [
    label_shards,
    train_round1,
    predict_round1,
    train_round2,
    predict_round2,
    merge_plus,
    train_plus,
    predict_plus,
    merge_union,
    train_ablations,
    predict_ablations,
    train_promptable,
    train_promptable_plus,
    segment_everything,
    propose,
    take_corrections,
    label_automatically,
    evaluate,
    evaluate_prompts,
    train_classifier,
    label_classes,
    train_semantic,
    predict_classes,
    evaluate_classes,
]
