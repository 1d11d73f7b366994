"""One hierarchy that knows objects and edges: a region tree over pixels, driven by self-supervised features."""

from ops.pixel_tree.recipe import pixel_tree

__all__ = ["pixel_tree"]
