"""Commands from image-level tags to class masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.options import ConfigFile, Force, Shards, leave, names

PANEL = "Classes from tags"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def tags(
    file: Annotated[str, typer.Argument(help="CSV image,label; COCO annotations; or a VOC folder.")],
    format: Annotated[str, typer.Option(help="csv, coco or voc.")] = "csv",
    classes: Annotated[
        str, typer.Option(help="Names between commas in the order of their labels, or: voc. All by default.")
    ] = "",
    split: Annotated[str, typer.Option(help="Of a VOC folder, such as trainval.")] = "",
) -> None:
    """Say which classes each photo shows: image-level tags for `unsam classes`."""
    from pipelines.commands import classes as command

    leave(command.tags(file, format, classes, split))


@app.command(rich_help_panel=PANEL)
def classes(
    shards: Shards = None,
    preset: Annotated[str, typer.Option(help="Settings to start from: small, few or demo.")] = "small",
    config: ConfigFile = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="One setting: sepl=code, masks=sam.json.")
    ] = None,
    learn_from: Annotated[
        list[str] | None, typer.Option(help="Shards that both networks learn from; those of --shards by default.")
    ] = None,
    semantic: Annotated[bool, typer.Option(help="Train a segmentation network on the result too.")] = True,
    force: Force = False,
) -> None:
    """From tags to the class of each pixel: classifier, activations, repair with masks (SEPL), segmentation."""
    from pipelines.commands import classes as command

    request = command.class_request(preset, config, overrides or [], force)
    leave(command.classes(request, names(shards), names(learn_from), semantic))


@app.command(rich_help_panel=PANEL)
def evaluate_classes(
    truth: Annotated[str, typer.Argument(help="COCO annotations, or a folder of label maps NAME.png.")],
    shards: Annotated[list[str] | None, typer.Option(help="Shards to score, between commas; all by default.")] = None,
    masks: Annotated[
        list[str] | None, typer.Option(help="Assets or files of masks to compare, between commas.")
    ] = None,
    most_masks: Annotated[int | None, typer.Option(min=1, help="The best so many masks of a photo.")] = None,
    page: Annotated[Path | None, typer.Option(help="Folder for a page with pictures.")] = None,
) -> None:
    """Mean IoU of class labels at each stage: activations, refined, repaired by each preset, segmentation."""
    from pipelines.commands import evaluate_classes as command

    leave(command.evaluate_classes(truth, names(shards), names(masks), most_masks, page))


@app.command(rich_help_panel=PANEL)
def relabel(
    labels: Annotated[str, typer.Argument(help="Folder of label maps, NAME.png: 0 background, 255 no class.")],
    masks: Annotated[str, typer.Argument(help="Folder NAME/*.png of binary masks, of NAME.json, or a COCO file.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Folder for the repaired label maps.")] = "relabelled",
    preset: Annotated[str, typer.Option(help="paper, code, repair, parts, cover, jury or pool.")] = "paper",
    classes: Annotated[int, typer.Option(min=2, max=255, help="Labels, the background included.")] = 21,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: mask_share=0.6.")] = None,
) -> None:
    """Repair label maps of image-level supervision with masks (SEPL), from files alone."""
    from pipelines.commands import relabel as command

    leave(command.relabel(labels, masks, output, preset, classes, overrides or []))
