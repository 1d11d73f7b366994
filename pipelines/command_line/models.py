"""Commands that train on masks, use models and score them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.options import ConfigFile, Force, Overrides, Preset, Shards, leave, names

PANEL = "Models"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def train(
    shards: Shards = None,
    rounds: Annotated[str, typer.Option(help="1, 2 or 1,2.")] = "1,2",
    preset: Annotated[str, typer.Option(help="Settings to start from: grouping, small, paper or demo.")] = "grouping",
    config: ConfigFile = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: training.steps=500.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Ray workers that train together.")] = 1,
    force: Force = False,
) -> None:
    """Learn from the masks of shards: a model, its own labels, and the model that goes on with them."""
    from pipelines.commands import train as command

    request = command.learning_request(preset, config, overrides or [], workers, force)
    leave(command.train(request, names(shards), names([rounds])))


@app.command(rich_help_panel=PANEL)
def plus(
    shards: Shards = None,
    source: Annotated[
        str | None, typer.Option(help="Unsupervised masks to add: pseudo, round1 or round2 (default).")
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the images whose human masks are used.")
    ] = None,
    ablations: Annotated[
        bool, typer.Option(help="Also the models of human masks alone and of the union without tau.")
    ] = False,
    preset: Annotated[str, typer.Option(help="Settings to start from: grouping, small, paper or demo.")] = "grouping",
    config: ConfigFile = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: plus.tau=0.05.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Ray workers that train together.")] = 1,
    force: Force = False,
) -> None:
    """UnSAM+: learn from human masks (SA-1B JSON beside the photos) and from what humans overlooked."""
    from pipelines.commands import train as command

    chosen = {"plus.source": source, "plus.fraction": fraction}
    named = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    request = command.learning_request(preset, config, [*(overrides or []), *named], workers, force)
    leave(command.plus(request, names(shards), ablations))


@app.command(rich_help_panel=PANEL)
def segment(
    photos: Annotated[list[str], typer.Argument(help="Images; local or by URL.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="unsam_model, round1_model, NAME@VERSION, or a .safetensors file; with a prompt promptable_model, or "
            "sam:FOLDER for SAM's own checkpoint."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures and JSON.")] = Path("segmented"),
    max_masks: Annotated[int | None, typer.Option(min=1, help="Most masks of a photo.")] = None,
    min_score: Annotated[float | None, typer.Option(min=0, max=1, help="Smallest score.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(help="A click x,y in pixels, or x,y,0 on what is not meant; may be repeated.")
    ] = None,
    box: Annotated[str | None, typer.Option(help="A box x,y,w,h in pixels.")] = None,
    granularity: Annotated[float | None, typer.Option(help="0.1 (finest part) to 1 (whole): one mask.")] = None,
    text: Annotated[str | None, typer.Option(help="What to find; for models trained with CLIP.")] = None,
    clip: Annotated[str | None, typer.Option(help="CLIP's weights: a folder or a name on the hub.")] = None,
) -> None:
    """Masks of single photos by a trained model, or of one photo for a prompt: a picture and a JSON file each."""
    if point or box or text or granularity is not None:
        from pipelines.commands import prompt

        asked = prompt.AskedFor(tuple(point or ()), box, text, granularity, clip)
        leave(prompt.segment_prompt(photos, model or "promptable_model", output, asked))
        return
    from pipelines.commands import segment as command

    leave(command.segment(photos, model or "unsam_model", output, max_masks, min_score))


@app.command(rich_help_panel=PANEL)
def evaluate(
    datasets: Annotated[list[str] | None, typer.Option(help="Datasets, between commas; all by default.")] = None,
    file: Annotated[Path | None, typer.Option(help="Register of datasets, instead of UNSAM_DATASETS.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images of each dataset.")] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(help="Whose masks, between commas: pseudo_labels, round1, round2, …; all by default."),
    ] = None,
    preset: Preset = "default",
    config: ConfigFile = None,
    overrides: Overrides = None,
    learning: Annotated[
        str | None,
        typer.Option(help="How models predict, by preset; by default as in their training."),
    ] = None,
    learning_overrides: Annotated[
        list[str] | None, typer.Option("--set-learning", help="One setting of it: prediction.max_masks=300.")
    ] = None,
    force: Force = False,
) -> None:
    """Score pseudo-labels and trained models against human masks."""
    from ops.learning import DEFAULT_LEARNING_PRESET
    from pipelines.commands import evaluate as command
    from pipelines.commands.request import request_of
    from pipelines.commands.train import learning_request

    labels = request_of(preset, config, overrides or [], None, None, force)
    chosen = learning or learning_overrides
    models = (
        learning_request(learning or DEFAULT_LEARNING_PRESET, None, learning_overrides or [], 1, False)
        if chosen
        else None
    )
    leave(command.evaluate(labels, models, names(datasets), file, limit, names(sources)))
