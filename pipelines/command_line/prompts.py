"""Commands of the promptable model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.options import ConfigFile, Force, Shards, leave, names

PANEL = "Clicks and boxes"
app = typer.Typer()


@app.command("learn-prompts", rich_help_panel=PANEL)
def learn_prompts(
    shards: Shards = None,
    labels: Annotated[str, typer.Option(help="Mask asset to learn from.")] = "hierarchical_masks",
    plus: Annotated[bool, typer.Option("--plus", help="The model of plus_labels instead.")] = False,
    everything: Annotated[bool, typer.Option("--everything", help="Then segment everything in every shard.")] = False,
    preset: Annotated[str, typer.Option(help="Settings to start from: small, paper or demo.")] = "small",
    config: ConfigFile = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: training.steps=500.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Ray workers that train together.")] = 1,
    force: Force = False,
) -> None:
    """Learn to answer clicks and boxes from the masks of shards."""
    from pipelines.commands import prompt

    request = prompt.learning_request(preset, config, overrides or [], labels, workers, force, plus, everything)
    leave(prompt.learn(request, names(shards)))


@app.command(rich_help_panel=PANEL)
def click(
    photos: Annotated[list[str] | None, typer.Argument(help="Images or folders; sample photos without any.")] = None,
    model: Annotated[
        str, typer.Option(help="promptable_model, NAME@VERSION, a .safetensors file, or sam:FOLDER.")
    ] = "promptable_model",
    clip: Annotated[str | None, typer.Option(help="CLIP's weights, for text: a folder or a name on the hub.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.")] = 7860,
) -> None:
    """A page on which masks appear as one clicks; until Ctrl-C."""
    from pipelines.commands import click as command

    leave(command.serve(photos or [], model, clip, host, port))


@app.command("evaluate-prompts", rich_help_panel=PANEL)
def evaluate_prompts(
    datasets: Annotated[list[str] | None, typer.Option(help="Datasets, between commas; all by default.")] = None,
    file: Annotated[Path | None, typer.Option(help="Register of datasets, instead of UNSAM_DATASETS.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images of each dataset.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Further models: a .safetensors file, or sam:FOLDER; may be repeated.")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: masks_per_image=10.")] = None,
) -> None:
    """Score promptable models with clicks, boxes and edges against human masks."""
    from pipelines.commands import prompt

    leave(prompt.evaluate(names(datasets), file, limit, model or [], overrides or []))
