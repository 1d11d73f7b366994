"""What exists: one module a stage of the asset graph."""
