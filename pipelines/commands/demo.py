"""`unsam demo`: six sample photos, their masks, and a page on which to look at them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.console import err, out, table
from pipelines.commands.run import MASKS
from pipelines.instance import open_instance
from pipelines.registration import register_paths
from pipelines.runner import LabelRequest, materialise
from stores.home import Home
from stores.images import decode_image
from stores.manifests import source_of
from stores.mask_store import open_masks
from stores.masks import MaskSet

if TYPE_CHECKING:
    from ops.report import ReportItem

LAYERS = {"objects": "ncut_masks", "hierarchy": MASKS}


def demo(output: Path, preset: str) -> int:
    """Label the sample photos and write `output`/index.html."""
    from ops.report import write_report
    from ops.sample_photos import write_sample_photos

    begun = time.perf_counter()
    home = Home.from_environment()
    photos = output / "photos"
    write_sample_photos(photos)
    with open_instance(home) as instance:
        shards = register_paths(home, instance, [str(photos)]).shards
        for done in materialise(instance, shards, LabelRequest(preset=preset)):
            if done.error:
                err.print(f"[red]{done.shard} failed:[/red] {done.error}", highlight=False)
                return 1
    labelled = list(_masks(home, shards))
    rows = [
        {
            "photo": key,
            "size": f"{masks.size[1]} x {masks.size[0]}",
            "objects": len(objects),
            "masks": len(masks),
            "deepest level": int(masks.level.max(initial=0)),
        }
        for _, key, objects, masks in labelled
    ]
    total = sum(len(masks) for _, _, _, masks in labelled)
    seconds = time.perf_counter() - begun
    page = write_report(output / "index.html", _items(home, labelled), "Six photos nobody labelled", rows)
    out.print(table("Masks", list(rows[0]), [list(row.values()) for row in rows]))
    out.print(f"{total:,} masks of {len(rows)} photos in {seconds:.0f} s")
    out.print(f"Open [bold]{page}[/bold] and slide from fine to coarse.")
    return 0


def _masks(home: Home, shards: list[str]) -> Iterator[tuple[str, str, MaskSet, MaskSet]]:
    for shard in shards:
        objects, hierarchy = (open_masks(home, asset, shard) for asset in LAYERS.values())
        for key in hierarchy.keys:
            yield shard, key, objects[key], hierarchy[key]


def _items(home: Home, labelled: list[tuple[str, str, MaskSet, MaskSet]]) -> Iterator[ReportItem]:
    from ops.report import ReportItem
    from ops.sample_photos import credit_of

    readers = {shard: source_of(home, shard).open() for shard, *_ in labelled}
    for shard, key, objects, hierarchy in labelled:
        image = decode_image(readers[shard].read(key))
        layers = dict(zip(LAYERS, (objects, hierarchy), strict=True))
        yield ReportItem(key, image, layers, credit=credit_of(key))
