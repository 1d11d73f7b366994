"""Where a published model lies, and how it gets into memory from a local path or a URL.

Light to import: only what loads a model waits the seconds that importing `torch` and `transformers` takes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stores.home import Home
from stores.location import Location

if TYPE_CHECKING:
    import torch

    from models.grouping import GroupingModel
    from models.whole_image import WholeImageModel

    MaskModel = WholeImageModel | GroupingModel

MODEL_FILE = "model.safetensors"


def model_location(home: Home, asset: str, version: str | None = None) -> Location:
    """The file of a model asset's version, the current one where none is named.

    Raises:
        NoVersion, IncompleteVersion: there is nothing that may be read.
    """
    return home.versions_of(asset).content(version) / MODEL_FILE


def load_model(place: Location, device: str | torch.device = "cpu") -> MaskModel:
    """A model ready to predict, of whichever kind the file holds.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
        FileNotFoundError: nothing there, at a URL.
    """
    from models.grouping import KIND, load_grouping
    from models.network_files import kind_of
    from models.whole_image import load_whole_image

    with local_copy(place) as path:
        return (load_grouping if kind_of(path) == KIND else load_whole_image)(path, device)


@contextmanager
def local_copy(place: Location) -> Iterator[Path]:
    """The path of a model's file on this machine, fetched for this moment where it is remote."""
    if place.is_local:
        yield place.local_path
        return
    with tempfile.TemporaryDirectory(prefix="unsam-model-") as folder:
        path = Path(folder) / MODEL_FILE
        path.write_bytes(place.read_bytes())
        yield path
