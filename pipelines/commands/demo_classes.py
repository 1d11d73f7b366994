"""The demo's last stage: the sample photos' tags become class masks, on a page of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from ops.fanout import Fanout
from pipelines.classes import ClassesRequest, find_classes
from pipelines.commands.classes import give_tags
from pipelines.commands.run import MASKS
from pipelines.runner import ShardRun
from stores.home import Home


def find_sample_classes(
    home: Home, instance: dg.DagsterInstance, shards: Sequence[str], pool: Fanout
) -> Iterator[ShardRun]:
    """Give the sample photos their tags, and run classifier, activations and repair on them."""
    from ops.sepl.sample_tags import sample_tags

    give_tags(home, instance, sample_tags())
    yield from find_classes(instance, shards, ClassesRequest("demo"), semantic=False, pool=pool)


def write_class_page(home: Home, shards: Sequence[str], folder: Path) -> Path:
    """A page with photo, activations and labels by each preset; returns it."""
    from ops.sample_photos import SAMPLE_PHOTOS
    from ops.sepl.page import write_gallery
    from ops.sepl.sample_tags import sample_tags
    from ops.settings import LimitSettings

    credits = {photo.file_name: photo.credit for photo in SAMPLE_PHOTOS}
    return write_gallery(folder, home, shards, sample_tags().labels, MASKS, LimitSettings(), credits)
