"""How a trained model is published: once a version, from a folder that a killed run leaves for the next."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ops.interrupts import ending_at_once
from ops.model_files import MODEL_FILE
from ops.stages import Provenance
from ops.training_log import HISTORY, Entry
from stores.home import DEFAULT_HOME, Home
from stores.location import Location
from stores.versions import version_of

_CONTENT = "trained"


def publish_trained(home: Home, provenance: Provenance, work: Callable[[Path], None]) -> tuple[bool, float]:
    """Publish the model that `provenance` names.

    Args:
        work: trains in a folder, with checkpoints, and leaves the model and its history there; not called where the
            model is there already.

    Returns:
        Whether it was there, and the seconds of this run.
    """
    begun = time.perf_counter()
    asset, version = provenance["asset"], version_of(provenance)
    versions = home.versions_of(asset)
    if versions.is_complete(version):
        versions.rollback(version)
        return True, 0.0
    folder = _working_folder(home, asset, version)
    with ending_at_once():
        work(folder)
    _keep(folder, versions.location(version) / _CONTENT)
    versions.publish(version, provenance, content=_CONTENT)
    shutil.rmtree(folder)
    return False, time.perf_counter() - begun


def history_of(home: Home, asset: str, version: str | None = None) -> list[Entry]:
    """The loss history of a published model; none where nothing was trained."""
    place = home.versions_of(asset).content(version) / HISTORY
    return json.loads(place.read_bytes()) if place.exists() else []


def _working_folder(home: Home, asset: str, version: str) -> Path:
    """Where checkpoints lie until the model is there; a folder of this machine where the home is remote."""
    if home.location.is_local:
        return home.versions_of(asset).location(version).local_path / "training"
    return Path(DEFAULT_HOME) / "training" / asset / version


def _keep(folder: Path, place: Location) -> None:
    """Copy the model, and what there is of history, notes and TensorBoard events."""
    for path in [folder / MODEL_FILE, *sorted(folder.glob("*.json")), *sorted(folder.glob("tensorboard/*"))]:
        target = place
        for part in path.relative_to(folder).parts:
            target = target / part
        target.write_bytes(path.read_bytes())
