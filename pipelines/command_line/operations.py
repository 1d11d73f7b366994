"""Commands that keep it running: UI, backfills, status, room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.options import (
    Backbone,
    ConfigFile,
    Force,
    Overrides,
    Preset,
    Recipe,
    ShardSize,
    leave,
    names,
)

PANEL = "Operations"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = Path("report"),
    preset: Preset = "default",
    train: Annotated[bool, typer.Option(help="Train on them too, three times for a short while.")] = True,
) -> None:
    """Label six sample photos, offline, train on them, and write a page on which to look at their masks."""
    from pipelines.commands import demo as command

    leave(command.demo(output, preset, train))


@app.command(rich_help_panel=PANEL)
def ui(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the Dagster UI and run its daemon until Ctrl-C."""
    from pipelines.commands import ui as command

    leave(command.serve(host, port))


@app.command(rich_help_panel=PANEL)
def backfill(
    select: Annotated[
        list[str] | None, typer.Option(help="Assets to make, between commas; the labels by default.")
    ] = None,
    shards: Annotated[
        list[str] | None, typer.Option(help="Shards, between commas; first…last (or first..last) for a range.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Text file of shards and ranges, one a line.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Only shards with something to make.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only shards whose last run failed.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait; a daemon must run.")] = False,
    cancel: Annotated[str | None, typer.Option(metavar="ID", help="Cancel this backfill, and do nothing else.")] = None,
    preset: Preset = "default",
    config: ConfigFile = None,
    overrides: Overrides = None,
    backbone: Backbone = None,
    recipe: Recipe = None,
    learning: Annotated[str, typer.Option(help="How models predict: grouping, small, paper or demo.")] = "grouping",
    force: Force = False,
) -> None:
    """Make assets of many shards by Dagster's daemon, a run a shard; survives this command."""
    from pipelines.commands import backfill as command
    from pipelines.commands.request import request_of
    from pipelines.commands.train import learning_request

    if cancel:
        leave(command.cancel_backfill(cancel))
        return
    request = request_of(preset, config, overrides or [], backbone, recipe, force)
    models = learning_request(learning, None, [], 1, force)
    choice = command.Choice(tuple(names(shards)), file, stale, failed)
    leave(command.backfill(request, models, names(select), choice, detach))


@app.command(rich_help_panel=PANEL)
def status(
    preset: Preset = "default",
    config: ConfigFile = None,
    overrides: Overrides = None,
    backbone: Backbone = None,
    recipe: Recipe = None,
    failures: Annotated[int, typer.Option(min=0, help="How many failures are told.")] = 10,
) -> None:
    """Say where everything stands: shards by state, pace, backfills, failures with their reasons."""
    from pipelines.commands import status as command
    from pipelines.commands.request import request_of

    leave(command.status(request_of(preset, config, overrides or [], backbone, recipe, False), failures))


@app.command(rich_help_panel=PANEL)
def plan(
    rate: Annotated[float, typer.Option(help="Images a second that one worker labels; unsam status measures it.")],
    images: Annotated[int | None, typer.Option(min=1, help="How many; 1 %, 10 % and all of SA-1B by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Workers side by side: GPUs, or cores.")] = 1,
    price: Annotated[float, typer.Option(min=0, help="Of an hour of one worker.")] = 0.0,
    currency: Annotated[str, typer.Option(help="Of the price.")] = "USD",
    shard_size: ShardSize = 1000,
    overhead: Annotated[float, typer.Option(min=0, help="Seconds of a run that are not work.")] = 15.0,
    masks: Annotated[float, typer.Option(min=0, help="Masks of an image.")] = 300.0,
    mask_bytes: Annotated[float, typer.Option(min=0, help="Bytes of a mask on disk.")] = 620.0,
    token_bytes: Annotated[float, typer.Option(min=0, help="Bytes of an image's tokens, where they are kept.")] = 0.0,
) -> None:
    """Work out time, disk and cost of so many images (docs/operations.md has the arithmetic)."""
    from pipelines.commands import plan as command

    rates = command.Rates(rate, overhead, masks, mask_bytes, token_bytes, price=price)
    leave(command.plan(images, shard_size, workers, rates, currency))


@app.command(rich_help_panel=PANEL)
def gc(
    keep: Annotated[int, typer.Option(min=1, help="Newest versions to keep of each value.")] = 2,
    min_age: Annotated[float, typer.Option(min=0, help="Hours for which nothing is swept.")] = 1.0,
) -> None:
    """Sweep old versions and the litter of crashes; never what is current."""
    from pipelines.commands import shards

    leave(shards.sweep(keep, min_age * 3600))


@app.command(rich_help_panel=PANEL)
def doctor() -> None:
    """Say what is here: Python, cores, GPU, Ray, weights, home."""
    from pipelines.commands import doctor as command

    leave(command.doctor())
