"""How assets are cut up: a partition is a shard of images, minutes of work."""

import dagster as dg

SHARDS = dg.DynamicPartitionsDefinition(name="shard")
GROUP = "labels"
ROUNDS = "rounds"
PLUS = "plus"
PLUS_ABLATIONS = "plus_ablations"
PROMPTABLE = "promptable"
EVALUATION = "evaluation"
PROMPT_EVALUATION = "prompt_evaluation"
DATA_ENGINE = "data_engine"
CLASSES = "classes"
CLASS_EVALUATION = "class_evaluation"
GPU_POOL = "gpu"
RETRY = dg.RetryPolicy(max_retries=1, delay=5)
