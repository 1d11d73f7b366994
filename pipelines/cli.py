"""The command line. Every command imports what it needs when it runs, so that help and completion are instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="unsam",
    help="Photos that nobody labelled in, SAM-like masks at every granularity out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Preset = Annotated[str, typer.Option(help="Settings to start from: default, paper, released or small.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings of your own.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="One setting, such as divide.max_masks=5.")]
Backbone = Annotated[str | None, typer.Option(help="Self-supervised network, such as vit_base_patch8_224.dino.")]
Recipe = Annotated[str | None, typer.Option(help="How masks are made: pixel_tree or paper.")]
Force = Annotated[bool, typer.Option("--force", help="Compute again what is fresh.")]
ShardSize = Annotated[int, typer.Option(min=1, help="Most images of a shard.")]


@app.command()
def add(
    paths: Annotated[list[str], typer.Argument(help="Folders, tars or SA-1B tars; local or by URL.")],
    shard_size: ShardSize = 1000,
) -> None:
    """Register photos as shards, which become partitions in the UI."""
    from pipelines.commands import shards

    _exit(shards.add(paths, shard_size))


@app.command()
def run(
    select: Annotated[list[str] | None, typer.Option(help="Assets to make, between commas; all by default.")] = None,
    shards: Annotated[list[str] | None, typer.Option(help="Their shards, between commas; all by default.")] = None,
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
    _exit(command.run(request, _names(shards), _names(select)))


@app.command()
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
    learning: Annotated[str, typer.Option(help="How models predict: small, paper or demo.")] = "small",
    force: Force = False,
) -> None:
    """Make assets of many shards by Dagster's daemon, a run a shard; survives this command."""
    from pipelines.commands import backfill as command
    from pipelines.commands.request import request_of
    from pipelines.commands.train import learning_request

    if cancel:
        _exit(command.cancel_backfill(cancel))
        return
    request = request_of(preset, config, overrides or [], backbone, recipe, force)
    models = learning_request(learning, None, [], 1, force)
    choice = command.Choice(tuple(_names(shards)), file, stale, failed)
    _exit(command.backfill(request, models, _names(select), choice, detach))


@app.command()
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

    _exit(command.status(request_of(preset, config, overrides or [], backbone, recipe, False), failures))


@app.command()
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
    _exit(command.label(request, photos, output, shard_size))


@app.command()
def train(
    shards: Annotated[list[str] | None, typer.Option(help="Labelled shards, between commas; all by default.")] = None,
    rounds: Annotated[str, typer.Option(help="1, 2 or 1,2.")] = "1,2",
    preset: Annotated[str, typer.Option(help="Settings to start from: small, paper or demo.")] = "small",
    config: ConfigFile = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: training.steps=500.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Ray workers that train together.")] = 1,
    force: Force = False,
) -> None:
    """Learn from the masks of shards: a model, its own labels, and the model that goes on with them."""
    from pipelines.commands import train as command

    request = command.learning_request(preset, config, overrides or [], workers, force)
    _exit(command.train(request, _names(shards), _names([rounds])))


@app.command()
def plus(
    shards: Annotated[list[str] | None, typer.Option(help="Shards, between commas; all by default.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Unsupervised masks to add: pseudo, round1 or round2 (default).")
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the images whose human masks are used.")
    ] = None,
    ablations: Annotated[
        bool, typer.Option(help="Also the models of human masks alone and of the union without tau.")
    ] = False,
    preset: Annotated[str, typer.Option(help="Settings to start from: small, paper or demo.")] = "small",
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
    _exit(command.plus(request, _names(shards), ablations))


@app.command()
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
        _exit(prompt.segment_prompt(photos, model or "promptable_model", output, asked))
        return
    from pipelines.commands import segment as command

    _exit(command.segment(photos, model or "unsam_model", output, max_masks, min_score))


@app.command("learn-prompts")
def learn_prompts(
    shards: Annotated[list[str] | None, typer.Option(help="Labelled shards, between commas; all by default.")] = None,
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
    _exit(prompt.learn(request, _names(shards)))


@app.command("evaluate-prompts")
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

    _exit(prompt.evaluate(_names(datasets), file, limit, model or [], overrides or []))


@app.command()
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

    _exit(command.serve(photos or [], model, clip, host, port))


@app.command()
def export(
    output: Annotated[str, typer.Option("--output", "-o", help="File (coco) or folder (sa1b, bsds).")],
    format: Annotated[str, typer.Option(help="coco, sa1b or bsds.")] = "coco",
    asset: Annotated[str, typer.Option(help="Asset whose masks are written.")] = "hierarchical_masks",
    shards: Annotated[list[str] | None, typer.Option(help="Shards to write, between commas; all by default.")] = None,
) -> None:
    """Write the current masks in a format of the field."""
    from pipelines.commands import export as command

    _exit(command.export(output, format, asset, _names(shards)))


@app.command()
def evaluate(
    datasets: Annotated[list[str] | None, typer.Option(help="Datasets, between commas; all by default.")] = None,
    file: Annotated[Path | None, typer.Option(help="Register of datasets, instead of UNSAM_DATASETS.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images of each dataset.")] = None,
    preset: Preset = "default",
    config: ConfigFile = None,
    overrides: Overrides = None,
    learning: Annotated[
        str | None, typer.Option(help="How models predict: small, paper or demo; by default as in their training.")
    ] = None,
    learning_overrides: Annotated[
        list[str] | None, typer.Option("--set-learning", help="One setting of it: prediction.nms_iou=0.8.")
    ] = None,
    force: Force = False,
) -> None:
    """Score pseudo-labels and trained models against human masks."""
    from pipelines.commands import evaluate as command
    from pipelines.commands.request import request_of
    from pipelines.commands.train import learning_request

    labels = request_of(preset, config, overrides or [], None, None, force)
    chosen = learning or learning_overrides
    models = learning_request(learning or "small", None, learning_overrides or [], 1, False) if chosen else None
    _exit(command.evaluate(labels, models, _names(datasets), file, limit))


@app.command()
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

    _exit(command.tags(file, format, classes, split))


@app.command()
def classes(
    shards: Annotated[list[str] | None, typer.Option(help="Labelled shards, between commas; all by default.")] = None,
    preset: Annotated[str, typer.Option(help="Settings to start from: small or demo.")] = "small",
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
    _exit(command.classes(request, _names(shards), _names(learn_from), semantic))


@app.command()
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

    _exit(command.evaluate_classes(truth, _names(shards), _names(masks), most_masks, page))


@app.command()
def relabel(
    labels: Annotated[str, typer.Argument(help="Folder of label maps, NAME.png: 0 background, 255 no class.")],
    masks: Annotated[str, typer.Argument(help="Folder NAME/*.png of binary masks, of NAME.json, or a COCO file.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Folder for the repaired label maps.")] = "relabelled",
    preset: Annotated[str, typer.Option(help="paper, code (the authors' release) or repair.")] = "paper",
    classes: Annotated[int, typer.Option(min=2, max=255, help="Labels, the background included.")] = 21,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: mask_share=0.6.")] = None,
) -> None:
    """Repair label maps of image-level supervision with masks (SEPL), from files alone."""
    from pipelines.commands import relabel as command

    _exit(command.relabel(labels, masks, output, preset, classes, overrides or []))


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the Dagster UI and run its daemon until Ctrl-C."""
    from pipelines.commands import ui as command

    _exit(command.serve(host, port))


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = Path("report"),
    preset: Preset = "default",
    train: Annotated[bool, typer.Option(help="Train on them too, three times for a short while.")] = True,
) -> None:
    """Label six sample photos, offline, train on them, and write a page on which to look at their masks."""
    from pipelines.commands import demo as command

    _exit(command.demo(output, preset, train))


@app.command()
def gc(
    keep: Annotated[int, typer.Option(min=1, help="Newest versions to keep of each value.")] = 2,
    min_age: Annotated[float, typer.Option(min=0, help="Hours for which nothing is swept.")] = 1.0,
) -> None:
    """Sweep old versions and the litter of crashes; never what is current."""
    from pipelines.commands import shards

    _exit(shards.sweep(keep, min_age * 3600))


@app.command()
def plan(
    rate: Annotated[float, typer.Option(help="Images a second that one worker labels; unsam status measures it.")],
    images: Annotated[int | None, typer.Option(min=1, help="How many; 1 %, 10 % and all of SA-1B by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Workers side by side: GPUs, or cores.")] = 1,
    price: Annotated[float, typer.Option(min=0, help="Of an hour of one worker.")] = 0.0,
    currency: Annotated[str, typer.Option(help="Of the price.")] = "USD",
    shard_size: ShardSize = 1000,
    overhead: Annotated[float, typer.Option(min=0, help="Seconds of a run that are not work.")] = 12.0,
    masks: Annotated[float, typer.Option(min=0, help="Masks of an image.")] = 300.0,
    mask_bytes: Annotated[float, typer.Option(min=0, help="Bytes of a mask on disk.")] = 620.0,
    token_bytes: Annotated[float, typer.Option(min=0, help="Bytes of an image's tokens, where they are kept.")] = 0.0,
) -> None:
    """Work out time, disk and cost of so many images (docs/operations.md has the arithmetic)."""
    from pipelines.commands import plan as command

    rates = command.Rates(rate, overhead, masks, mask_bytes, token_bytes, price=price)
    _exit(command.plan(images, shard_size, workers, rates, currency))


@app.command()
def doctor() -> None:
    """Say what is here: Python, cores, GPU, Ray, weights, home."""
    from pipelines.commands import doctor as command

    _exit(command.doctor())


def _names(options: list[str] | None) -> list[str]:
    """Values of an option that may be repeated, each with one name or several between commas."""
    return [name for option in options or [] for name in option.split(",") if name]


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)


def main() -> None:
    app()
