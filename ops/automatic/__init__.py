"""All masks of a photo by a promptable model: SAM's automatic mask generator (spec 10.2)."""
