"""Commands from photos to masks: register, make, export."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.command_line.options import (
    Backbone,
    ConfigFile,
    Force,
    Overrides,
    Preset,
    Recipe,
    Shards,
    ShardSize,
    leave,
    names,
)

PANEL = "Labels"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def add(
    paths: Annotated[list[str], typer.Argument(help="Folders, tars or SA-1B tars; local or by URL.")],
    shard_size: ShardSize = 1000,
) -> None:
    """Register photos as shards, which become partitions in the UI."""
    from pipelines.commands import shards

    leave(shards.add(paths, shard_size))


@app.command(rich_help_panel=PANEL)
def run(
    select: Annotated[list[str] | None, typer.Option(help="Assets to make, between commas; all by default.")] = None,
    shards: Shards = None,
    preset: Preset = "default",
    config: ConfigFile = None,
    overrides: Overrides = None,
    backbone: Backbone = None,
    recipe: Recipe = None,
    force: Force = False,
) -> None:
    """Make what is not fresh, in the foreground; what was interrupted goes on where it stopped."""
    from pipelines.commands import run as command
    from pipelines.commands.request import request_of

    request = request_of(preset, config, overrides or [], backbone, recipe, force)
    leave(command.run(request, names(shards), names(select)))


@app.command(rich_help_panel=PANEL)
def label(
    photos: Annotated[list[str], typer.Argument(help="Folders, tars or images; local or by URL.")],
    output: Annotated[str, typer.Option("--output", "-o", help="COCO file to write.")] = "labels.json",
    preset: Preset = "default",
    config: ConfigFile = None,
    overrides: Overrides = None,
    backbone: Backbone = None,
    recipe: Recipe = None,
    force: Force = False,
    shard_size: ShardSize = 1000,
) -> None:
    """Photos in, one COCO file with masks at every granularity out: add, run and export in one go."""
    from pipelines.commands import run as command
    from pipelines.commands.request import request_of

    request = request_of(preset, config, overrides or [], backbone, recipe, force)
    leave(command.label(request, photos, output, shard_size))


@app.command(rich_help_panel=PANEL)
def export(
    output: Annotated[str, typer.Option("--output", "-o", help="File (coco) or folder (sa1b, bsds).")],
    format: Annotated[str, typer.Option(help="coco, sa1b or bsds.")] = "coco",
    asset: Annotated[str, typer.Option(help="Asset whose masks are written.")] = "hierarchical_masks",
    shards: Shards = None,
) -> None:
    """Write the current masks in a format of the field."""
    from pipelines.commands import export as command

    leave(command.export(output, format, asset, names(shards)))
