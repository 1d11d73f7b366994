"""The data engine on a shard: tasks for people, their corrections, and the labels that follow from both."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import orjson

from ops.data_engine.corrections import changes_of, read_corrections, with_origins
from ops.data_engine.proposals import task_of
from ops.data_engine.settings import Engine, EngineSettings
from ops.mask_tree import build_tree
from ops.stages import Provenance
from stores.annotations import BadAnnotations
from stores.coco import write_coco
from stores.home import Home
from stores.location import Location
from stores.mask_store import MaskShardReader, MaskShardWriter, open_masks
from stores.masks import MaskSet
from stores.versions import version_of

PROPOSALS, CORRECTED, LABELS = "proposals", "corrected_masks", "engine_labels"


@dataclass(frozen=True)
class EngineReport:
    """What a step of the engine did: the version that is now current, counts to show, and the file for people."""

    version: str
    counts: dict[str, float]
    file: str = ""


def engine_folder(home: Home, shard: str) -> Location:
    """Where the files for people lie: `reports/data_engine/<shard>/`."""
    return home.reports / "data_engine" / shard


def propose(home: Home, code_version: str, shard: str, settings: EngineSettings) -> EngineReport:
    """Publish what people are shown, and write `proposals.json` (COCO) and `queue.json`, most informative image first.

    Raises:
        NoVersion: the shard has no masks of `settings.source`.
    """
    masks = open_masks(home, settings.source, shard)
    provenance = _provenance(PROPOSALS, code_version, {settings.source: masks.version}, settings)
    tasks = {key: task_of(masks[key], settings) for key in masks.keys}
    version = _publish(home, provenance, shard, {key: task.shown for key, task in tasks.items()})
    queue = sorted(tasks, key=lambda key: -tasks[key].information)
    folder = engine_folder(home, shard)
    file = folder / "proposals.json"
    write_coco(file, ((key, tasks[key].shown) for key in queue), f"{settings.stage} proposals of {shard}")
    listed = [
        {
            "file_name": key,
            "information": round(tasks[key].information, 4),
            "masks": len(tasks[key].shown),
            "left_over": [list(box) for box in tasks[key].left_over],
        }
        for key in queue
    ]
    (folder / "queue.json").write_bytes(orjson.dumps(listed, option=orjson.OPT_INDENT_2))
    counts = {
        "images": len(tasks),
        "proposals": sum(len(task.shown) for task in tasks.values()),
        "regions_left_over": sum(len(task.left_over) for task in tasks.values()),
        "mean_information": float(np.mean([task.information for task in tasks.values()])) if tasks else 0.0,
    }
    return EngineReport(version, counts, str(file))


def take_corrections(home: Home, code_version: str, shard: str, proposals: str, engine: Engine) -> EngineReport:
    """Publish the corrected masks of the images that people went through.

    Raises:
        BadAnnotations, FileNotFoundError: as `read_corrections`, or no corrections are named.
    """
    if not engine.corrections:
        raise BadAnnotations(
            f"no corrections are named: correct {engine_folder(home, shard) / 'proposals.json'} in your tool, "
            "and name its COCO file or folder of SA-1B JSON (engine: corrections)"
        )
    before = open_masks(home, PROPOSALS, shard, proposals)
    sizes = {key: before[key].size for key in before.keys}
    counts: Counter[str] = Counter()
    corrected = {}
    for key, masks in read_corrections(engine.corrections, sizes):
        changes = changes_of(before[key], masks, engine.settings)
        counts.update(changes.counts())
        corrected[key] = build_tree(with_origins(masks, changes))
    digest = version_of({key: masks.bits.tobytes().hex() for key, masks in corrected.items()})
    provenance = _provenance(CORRECTED, code_version, {PROPOSALS: proposals}, engine.settings) | {"made_by": digest}
    version = _publish(home, provenance, shard, corrected)
    return EngineReport(version, {"images": len(corrected), **counts}, engine.corrections)


def label(home: Home, code_version: str, shard: str, proposals: str, settings: EngineSettings) -> EngineReport:
    """Publish labels to train on: people's masks where they went through an image, sure ones of the model elsewhere.

    In the semi-automatic stage people add to the sure masks that they were shown, so that theirs are all there is.
    """
    before = open_masks(home, PROPOSALS, shard, proposals)
    current = home.versions_of(CORRECTED, shard).current()
    corrected = open_masks(home, CORRECTED, shard, current) if current else None
    inputs = {PROPOSALS: proposals} | ({CORRECTED: current} if current else {})
    labels = {key: _label(key, before, corrected, settings) for key in before.keys}
    version = _publish(home, _provenance(LABELS, code_version, inputs, settings), shard, labels)
    by_people = sum(key in corrected for key in labels) if corrected is not None else 0
    counts = {"images": len(labels), "images_by_people": by_people, "masks": sum(map(len, labels.values()))}
    return EngineReport(version, dict(counts))


def _label(key: str, before: MaskShardReader, corrected: MaskShardReader | None, settings: EngineSettings) -> MaskSet:
    if corrected is not None and key in corrected:
        return corrected[key]
    masks = before[key]
    return build_tree(masks.take(np.flatnonzero(masks.score >= settings.sure)))


def _provenance(asset: str, code_version: str, inputs: dict[str, str], settings: EngineSettings) -> Provenance:
    return {"asset": asset, "code": code_version, "inputs": inputs, "settings": settings.model_dump(mode="json")}


def _publish(home: Home, provenance: Provenance, shard: str, masks: dict[str, MaskSet]) -> str:
    version = version_of(provenance)
    versions = home.versions_of(provenance["asset"], shard)
    if versions.is_complete(version):
        versions.rollback(version)
        return version
    writer = MaskShardWriter(versions, version, sorted(masks))
    done = writer.done()
    for key, found in masks.items():
        if key not in done:
            writer.add(key, found)
    return writer.finish(provenance)


def as_metadata(report: EngineReport) -> dict[str, float | str]:
    """The report as flat values."""
    shown = asdict(report)
    return {"version": shown["version"], **shown["counts"], **({"file": shown["file"]} if report.file else {})}
