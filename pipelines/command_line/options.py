"""Options that several commands have, and how a command ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Preset = Annotated[str, typer.Option(help="Settings to start from: default, paper, released or small.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings of your own.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="One setting, such as divide.max_masks=5.")]
Backbone = Annotated[str | None, typer.Option(help="Self-supervised network, such as vit_base_patch8_224.dino.")]
Recipe = Annotated[str | None, typer.Option(help="How masks are made: pixel_tree or paper.")]
Force = Annotated[bool, typer.Option("--force", help="Compute again what is fresh.")]
Shards = Annotated[
    list[str] | None, typer.Option("--shards", help="Shards and ranges (a…b), between commas; all by default.")
]
ShardSize = Annotated[int, typer.Option(min=1, help="Most images of a shard.")]


def names(options: list[str] | None) -> list[str]:
    """Values of an option that may be repeated, each with one name or several between commas."""
    return [name for option in options or [] for name in option.split(",") if name]


def leave(code: int) -> None:
    """End with an exit code; 0 goes on."""
    if code:
        raise typer.Exit(code)
