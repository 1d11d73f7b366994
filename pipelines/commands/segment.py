"""`unsam segment`: a trained model on single photos, as a picture and a file beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.console import err, errors_in_one_line, out, table
from stores.home import Home
from stores.images import UnreadableImage, decode_image
from stores.location import Location
from stores.versions import IncompleteVersion, NoVersion

if TYPE_CHECKING:
    from ops.model_files import MaskModel
    from ops.training_settings import PredictionSettings

_PICTURE_SIDE = 1600


def segment(photos: Sequence[str], model: str, output: Path, max_masks: int | None, min_score: float | None) -> int:
    """Write `output`/NAME.jpg and NAME.json (SA-1B's form) of every photo; exit code 1 where one cannot be read."""
    from PIL import Image

    from models.backbone import best_device
    from models.weights import WeightsUnavailable
    from ops.model_stages import predicted_tree
    from ops.pictures import overlay
    from stores.sa1b import write_sa1b

    with errors_in_one_line(NoVersion, IncompleteVersion, WeightsUnavailable, FileNotFoundError, ValueError):
        network, settings = _load(model, best_device())
        _refuse_equal_names(photos)
    changes = {"max_masks": max_masks, "min_score": min_score}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    rows, failed = [], 0
    for photo in photos:
        try:
            image = decode_image(Location(photo).read_bytes())
        except (FileNotFoundError, UnreadableImage) as error:
            err.print(f"[red]{photo}:[/red] {error}", highlight=False)
            failed += 1
            continue
        masks = predicted_tree(network, image, settings)
        name = Location(photo).name
        write_sa1b(str(output), [(name, masks)])
        picture = io.BytesIO()
        Image.fromarray(overlay(image, masks, _PICTURE_SIDE)).save(picture, "JPEG", quality=90)
        (Location(str(output)) / f"{Path(name).stem}.jpg").write_bytes(picture.getvalue())
        rows.append((name, len(masks), float(masks.score.max(initial=0))))
    if rows:
        out.print(table(f"Masks in {output}/", ["photo", "masks", "best score"], rows))
    return 1 if failed else 0


def _load(model: str, device: str) -> tuple[MaskModel, PredictionSettings]:
    """A model by the name of its asset, `NAME@VERSION`, or the path or URL of a file; and how it predicts."""
    from ops.learning import LEARNING_PRESETS
    from ops.model_files import load_model, model_location
    from ops.training_settings import PredictionSettings as Settings

    if model.endswith(".safetensors"):
        return load_model(Location(model), device), LEARNING_PRESETS["small"].prediction
    home = Home.from_environment()
    asset, _, version = model.partition("@")
    try:
        place = model_location(home, asset, version or None)
    except NoVersion as error:
        raise NoVersion(f"no model {model} is trained; train one with: unsam train ({error})") from error
    provenance = home.versions_of(asset).provenance(version or None)
    return load_model(place, device), Settings.model_validate(provenance["prediction"])


def _refuse_equal_names(photos: Sequence[str]) -> None:
    stems = [Path(Location(photo).name).stem for photo in photos]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ValueError(f"several photos are called {', '.join(twice)}: segment them into different folders")
