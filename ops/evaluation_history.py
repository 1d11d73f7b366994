"""What was measured when: one file an evaluation, since object stores cannot append, read back in order of time."""

from __future__ import annotations

import uuid
from datetime import UTC

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ops.evaluation import Numbers
from stores.home import Home
from stores.location import Location

_FOLDER = "evaluation"


class SourceEntry(BaseModel):
    """One source of masks in one evaluation.

    Attributes:
        numbers: `Scores.numbers()`; None where there was nothing to find.
        made_by: version of the model, or of what else made the masks.
        versions: of the masks by shard of the dataset's photos.
    """

    model_config = ConfigDict(frozen=True)

    numbers: Numbers
    made_by: str
    versions: dict[str, str]


class HistoryEntry(BaseModel):
    """One evaluation of a dataset.

    Attributes:
        time: when it ended. run: id of the run that did it. images: how many were scored.
        sources: by name.
    """

    model_config = ConfigDict(frozen=True)

    time: AwareDatetime
    run: str
    dataset: str
    images: int
    sources: dict[str, SourceEntry]


def remember(home: Home, entry: HistoryEntry) -> Location:
    """Add an entry to the history of its dataset; returns where it lies."""
    stamp = f"{entry.time.astimezone(UTC):%Y%m%dT%H%M%S.%f}"
    place = _place(home, entry.dataset) / f"{stamp}-{uuid.uuid4().hex[:8]}.json"
    place.write_bytes(entry.model_dump_json(indent=1).encode())
    return place


def history(home: Home, dataset: str) -> list[HistoryEntry]:
    """All evaluations of a dataset, oldest first."""
    places = [place for place in _place(home, dataset).iterdir() if place.name.endswith(".json")]
    return [HistoryEntry.model_validate_json(place.read_bytes()) for place in places]


def _place(home: Home, dataset: str) -> Location:
    return home.reports / _FOLDER / dataset
