"""`unsam run` and `unsam label`: materialise shards in the foreground and say what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from ops.staleness import LABEL_ASSETS
from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.commands.export import export_coco
from pipelines.instance import open_instance
from pipelines.registration import Registration, members_below, register_paths
from pipelines.runner import LabelRequest, ShardRun, materialise
from pipelines.shard_selection import select_shards
from stores.home import Home
from stores.location import OutOfSpace
from stores.manifests import open_manifest, registered, source_of
from stores.mask_store import open_masks
from stores.tars import UnsafeArchive
from stores.versions import NoVersion

MASKS = "hierarchical_masks"


def run(request: LabelRequest, shards: Sequence[str], assets: Sequence[str]) -> int:
    """Make assets of shards; exit code 1 where a shard failed."""
    home = Home.from_environment()
    others = [asset for asset in assets if asset not in LABEL_ASSETS]
    with errors_in_one_line(LookupError, ValueError):
        if others:
            raise LookupError(
                f"unsam run does not make {', '.join(others)}, but {', '.join(LABEL_ASSETS)}; "
                "what comes after them: unsam train, unsam plus, or unsam backfill --select"
            )
        known = registered(home)
        chosen = select_shards(known, shards or known)
    return 1 if any(done.error for done in _run_all(home, chosen, request, assets)) else 0


def label(request: LabelRequest, photos: Sequence[str], output: str, shard_size: int) -> int:
    """Register, run and export; exit code 1 where a shard failed or nothing could be labelled."""
    home = Home.from_environment()
    with open_instance(home) as instance, errors_in_one_line(FileNotFoundError, ValueError, UnsafeArchive):
        found = register_paths(home, instance, photos, shard_size)
        if not found.shards:
            raise FileNotFoundError(f"no images in {', '.join(photos)}{_skipped(found)}")
    done = _run_all(home, found.shards, request, [])
    good = [shard_run.shard for shard_run in done if shard_run.error is None]
    if not good:
        return 1
    keys = {shard: members_below(source_of(home, shard), photos) for shard in good}
    with errors_in_one_line(OutOfSpace, NoVersion):
        images, masks = export_coco(home, output, MASKS, good, keys)
    _say_what_was_left_out(home, found)
    out.print(f"[bold]{output}[/bold]: {masks:,} masks of {images:,} photos")
    return 0 if len(good) == len(done) and images else 1


def _run_all(home: Home, shards: Sequence[str], request: LabelRequest, assets: Sequence[str]) -> list[ShardRun]:
    done = []
    with open_instance(home) as instance:
        for shard_run in materialise(instance, shards, request, assets):
            done.append(shard_run)
            if shard_run.error:
                err.print(f"[red]{shard_run.shard} failed:[/red] {shard_run.error}", highlight=False)
    out.print(
        table("Shards", ["shard", "images", "quarantined", "masks", "masks a photo", "seconds"], _rows(home, done))
    )
    return done


def _rows(home: Home, done: Sequence[ShardRun]) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for shard_run in done:
        try:
            counts = open_masks(home, MASKS, shard_run.shard).counts()
            images, masks = len(counts), int(counts.sum())
        except NoVersion:
            images, masks = 0, 0
        try:
            quarantined = len(open_manifest(home, shard_run.shard).quarantined)
        except NoVersion:
            quarantined = 0
        rows.append((shard_run.shard, images, quarantined, masks, masks / max(images, 1), shard_run.seconds))
    return rows


def _say_what_was_left_out(home: Home, found: Registration) -> None:
    for source in (*found.known, *found.new):
        for reason, count in source.skipped.items():
            err.print(f"skipped {count}: {reason}", highlight=False)
        for key, reason in open_manifest(home, source.shard).quarantined.items():
            err.print(f"[yellow]quarantined {key}:[/yellow] {reason}", highlight=False)


def _skipped(found: Registration) -> str:
    skipped = [f"{count} {reason}" for source in found.new for reason, count in source.skipped.items()]
    return f" (skipped: {', '.join(skipped)})" if skipped else ""
