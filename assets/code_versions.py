"""Versions of the code that makes pseudo-labels: raise one by hand where a stage would give other masks than before."""

DINO_FEATURES = "1"
NCUT_MASKS = "1"
HIERARCHICAL_MASKS = "1"
