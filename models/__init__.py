"""What learns: torch modules and their weights; neither Dagster nor Ray."""
