"""The promptable model: how it learns from any masks and how it is asked (spec 7 and 10)."""
