"""Errors that a person can act on end a step at once, with their own words and without a second try."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from models.weights import WeightsUnavailable
from ops.confusion import MismatchedLabels
from ops.evaluation_request import UnknownSource
from ops.ground_truth import DatasetError
from ops.label_shards import UnfitLabels
from ops.presets import SettingsError
from ops.sepl.class_settings import MissingLibrary
from ops.training_source import UnfitSource
from stores.annotations import BadAnnotations
from stores.label_maps import BadLabelMap
from stores.tags import BadTags
from stores.versions import NoVersion

_EXPLAINED = (
    WeightsUnavailable,
    UnfitLabels,
    UnfitSource,
    DatasetError,
    UnknownSource,
    MismatchedLabels,
    BadTags,
    BadAnnotations,
    BadLabelMap,
    MissingLibrary,
    NoVersion,
    SettingsError,
)


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn errors that another try would meet again into Dagster failures.

    Raises:
        dagster.Failure: with the message of the error.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, _EXPLAINED + _explained_by_steps()):
            raise
        raise dg.Failure(str(error), allow_retries=False) from error


def _explained_by_steps() -> tuple[type[Exception], ...]:
    """Those of modules that only steps import, for they bring torch and what matches masks."""
    from ops.metrics import MismatchedImages
    from ops.optimisation import TrainingDiverged
    from ops.training import ForeignCheckpoint
    from ops.training_launcher import NotEnoughWorkers

    return MismatchedImages, TrainingDiverged, ForeignCheckpoint, NotEnoughWorkers
