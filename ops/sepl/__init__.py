"""SEPL (Chen et al. 2023): class-agnostic masks repair the label maps that come from image-level tags (spec 9)."""
