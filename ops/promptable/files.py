"""Promptable models by name: one of ours that is published or in a file, or SAM's own checkpoint.

Light to import: only what loads a model waits the seconds that importing `transformers` takes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ops.model_files import MODEL_FILE, model_location
from stores.home import Home
from stores.location import Location

if TYPE_CHECKING:
    from models.promptable import PromptableModel

OFFICIAL = "sam:"


def load_promptable_at(place: Location, device: str | torch.device = "cpu") -> PromptableModel:
    """A model ready to predict, from a path or a URL.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
        FileNotFoundError: nothing there, at a URL.
    """
    from models.promptable import load_promptable

    if place.is_local:
        return load_promptable(place.local_path, device)
    with tempfile.TemporaryDirectory(prefix="unsam-model-") as folder:
        path = Path(folder) / MODEL_FILE
        path.write_bytes(place.read_bytes())
        return load_promptable(path, device)


def load_promptable_named(home: Home, name: str, device: str | torch.device = "cpu") -> PromptableModel:
    """A model by name.

    Args:
        name: an asset (`promptable_model`, or `NAME@VERSION`), a `.safetensors` file of ours, or `sam:FOLDER` with the
            files of an official checkpoint for `transformers` (`sam:facebook/sam-vit-base` takes it from the hub).

    Raises:
        NoVersion, IncompleteVersion: no such model is published.
        WeightsUnavailable: a file that is missing, damaged or of another kind.
    """
    if name.startswith(OFFICIAL):
        from models.official_sam import load_official_sam

        return load_official_sam(name.removeprefix(OFFICIAL), device)
    if name.endswith(".safetensors"):
        return load_promptable_at(Location(name), device)
    asset, _, version = name.partition("@")
    return load_promptable_at(model_location(home, asset, version or None), device)
