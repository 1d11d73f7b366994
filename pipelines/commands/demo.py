"""`unsam demo`: six sample photos, their masks, three short trainings, and a page on which to look at them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ops.fanout import Fanout
from pipelines.commands.console import err, out, table
from pipelines.commands.demo_classes import find_sample_classes, write_class_page
from pipelines.commands.run import MASKS
from pipelines.instance import open_instance
from pipelines.prompting import PromptingRequest, learn_prompts
from pipelines.registration import register_paths
from pipelines.rounds import LearningRequest, learn_plus, train_rounds
from pipelines.runner import LabelRequest, ShardRun, materialise
from stores.home import Home
from stores.images import decode_image
from stores.manifests import source_of
from stores.mask_store import open_masks
from stores.masks import MaskSet

if TYPE_CHECKING:
    import numpy as np

    from ops.report import ReportItem

LAYERS = {
    "pseudo-masks": MASKS,
    "round 1": "round1_masks",
    "round 2": "unsam_masks",
    "human masks": "sa1b_masks",
    "human + overlooked": "plus_labels",
    "UnSAM+": "unsam_plus_masks",
    "clicks": "auto_masks",
}


def demo(output: Path, preset: str, train: bool) -> int:
    """Label the sample photos, train on them, with human masks and for clicks too, and write `output`/index.html.

    Args:
        train: False ends after the labels.
    """
    from ops.report import write_report
    from ops.sample_photos import write_sample_annotations, write_sample_photos

    begun = time.perf_counter()
    home = Home.from_environment()
    photos = output / "photos"
    write_sample_photos(photos)
    write_sample_annotations(photos)
    with open_instance(home) as instance, Fanout() as pool:
        shards = register_paths(home, instance, [str(photos)]).shards
        if not _all_well(materialise(instance, shards, LabelRequest(preset=preset), pool=pool)):
            return 1
        if train:
            out.print("Four short trainings on these six photos, to show the way, not to make good models.")
            request = LearningRequest("demo")
            if not _all_well(train_rounds(instance, shards, request, pool=pool)):
                return 1
            if not _all_well(learn_plus(instance, shards, request, pool=pool)):
                return 1
            clicks = PromptingRequest("demo", everything=True)
            if not _all_well(learn_prompts(instance, shards, clicks, pool)):
                return 1
            if not _all_well(find_sample_classes(home, instance, shards, pool)):
                return 1
    layers = LAYERS if train else {"pseudo-masks": MASKS}
    labelled = list(_masks(home, shards, layers))
    rows = [
        {"photo": key, "size": f"{image.shape[1]} x {image.shape[0]}"} | {name: len(masks[name]) for name in masks}
        for key, image, masks in labelled
    ]
    total = sum(len(masks["pseudo-masks"]) for _, _, masks in labelled)
    seconds = time.perf_counter() - begun
    page = write_report(
        output / "index.html", _items(labelled), "Six photos nobody labelled", rows, shown="pseudo-masks"
    )
    counts = [[name, *(len(masks[name]) for _, _, masks in labelled)] for name in layers]
    out.print(table("Masks", ["", *(Path(key).stem for key, _, _ in labelled)], counts))
    out.print(f"{total:,} pseudo-masks of {len(rows)} photos; all of it took {seconds:.0f} s")
    out.print(f"Open [bold]{page}[/bold] and slide from fine to coarse.")
    if train:
        out.print(f"From tags to class masks: [bold]{write_class_page(home, shards, output / 'classes')}[/bold]")
    return 0


def _all_well(steps: Iterable[ShardRun]) -> bool:
    for step in steps:
        if step.error:
            err.print(f"[red]{step.shard} failed:[/red] {step.error}", highlight=False)
            return False
        out.print(f"{', '.join(step.metadata)}: {step.seconds:.0f} s")
    return True


def _masks(
    home: Home, shards: list[str], layers: Mapping[str, str]
) -> Iterator[tuple[str, np.ndarray, dict[str, MaskSet]]]:
    """Key, pixels and masks by layer of every photo."""
    for shard in shards:
        photos = source_of(home, shard).open()
        readers = {name: open_masks(home, asset, shard) for name, asset in layers.items()}
        for key in readers["pseudo-masks"].keys:
            yield key, decode_image(photos.read(key)), {name: reader[key] for name, reader in readers.items()}


def _items(labelled: list[tuple[str, np.ndarray, dict[str, MaskSet]]]) -> Iterator[ReportItem]:
    from ops.report import ReportItem
    from ops.sample_photos import credit_of

    for key, image, layers in labelled:
        yield ReportItem(key, image, layers, credit=credit_of(key))
