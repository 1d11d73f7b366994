"""`unsam tags` and `unsam classes`: from image-level tags to the class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from ops.presets import SettingsError, read_settings_file
from ops.sepl.class_settings import resolve_classes
from pipelines.classes import ClassesRequest, find_classes
from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.instance import open_instance
from pipelines.runner import ShardRun
from pipelines.shard_selection import select_shards
from stores.home import Home
from stores.label_maps import BadLabelMap
from stores.location import Location
from stores.manifests import registered
from stores.tags import VOC_CLASSES, BadTags, Tags, read_tags

_COLUMNS = {
    "image_classifier": ("images", "held_out_images", "mAP", "images_without_tags", "tags_without_image"),
    "cam_labels": ("images", "images_without_tags", "tags_that_fired_nowhere", "pixels_with_a_class"),
    "sepl_labels": (
        *("images", "images_without_masks", "masks_used"),
        *("classes_for_which_no_mask_was_chosen", "classes_that_vanished", "pixels_with_a_class"),
    ),
    "semantic_model": ("images", "first_loss", "last_loss"),
    "semantic_labels": ("images", "pixels_with_a_class"),
}


def class_request(preset: str, config: Path | None, overrides: Sequence[str], force: bool) -> ClassesRequest:
    """A request whose settings resolve; a wrong one ends the command with its reason."""
    with errors_in_one_line(SettingsError):
        values = read_settings_file(config) if config else {}
        resolve_classes(preset, values, overrides)
    return ClassesRequest(preset, values, tuple(overrides), force)


def tags(file: str, format: str, classes: str, split: str) -> int:
    """Publish the tags of a file, and say how many photos have them."""
    names = VOC_CLASSES if classes == "voc" else tuple(name.strip() for name in classes.split(",") if name.strip())
    home = Home.from_environment()
    with errors_in_one_line(BadTags, BadLabelMap, FileNotFoundError):
        read = read_tags(Location(file), format, names, split)
    with open_instance(home) as instance:
        version = give_tags(home, instance, read)
    shown = ", ".join(read.classes[:20]) + (", …" if len(read.classes) > 20 else "")
    out.print(f"tags of {len(read.of_image):,} images, version {version}; {len(read.classes)} classes: {shown}")
    return 0


def give_tags(home: Home, instance: dg.DagsterInstance, given: Tags) -> str:
    """Make tags current and record it in Dagster; returns their version."""
    from ops.sepl.tag_stage import publish_tags

    version = publish_tags(home, given)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "image_tags",
            metadata={"version": version, "images": len(given.of_image), "classes": ", ".join(given.classes)},
            tags={"dagster/data_version": version},
        )
    )
    return version


def classes(request: ClassesRequest, shards: Sequence[str], learn_from: Sequence[str], semantic: bool) -> int:
    """Run all stages and print what each did; exit code 1 where one failed."""
    home = Home.from_environment()
    with errors_in_one_line(LookupError, ValueError):
        known = registered(home)
        chosen = select_shards(known, shards or known, "unsam label FOLDER")
        teachers = select_shards(known, learn_from)
        if home.versions_of("image_tags").current() is None:
            raise LookupError("there are no tags; give some with: unsam tags FILE")
    failed = False
    with open_instance(home) as instance:
        for step in find_classes(instance, chosen, request, semantic, teachers):
            failed = failed or bool(step.error)
            _say(step)
    return 1 if failed else 0


def _say(step: ShardRun) -> None:
    if step.error:
        err.print(f"[red]{step.shard} failed:[/red] {step.error}", highlight=False, soft_wrap=True)
    for asset, told in step.metadata.items():
        rows = [(name.replace("_", " "), _cell(told[name])) for name in _COLUMNS[asset] if name in told]
        out.print(table(f"{asset} of {step.shard}", ["what", "value"], rows))


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
