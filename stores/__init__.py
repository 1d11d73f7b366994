"""Where it lies: image shards in; masks, features and checkpoints out; file formats."""
