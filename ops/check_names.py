"""What is checked after each stage, by name; light to import, for Dagster wants the names before any stage runs."""

FEATURE_CHECKS = ("finite", "varied")
FLAT_CHECKS = ("non_empty", "inside_frame", "no_duplicates", "count_within_bounds")
TREE_CHECKS = (*FLAT_CHECKS, "tree_consistent")
