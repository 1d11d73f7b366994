"""The command line. Every command imports what it needs when it runs, so that help and completion are instant."""

from __future__ import annotations

import typer

from pipelines.command_line import classes, labels, models, operations, prompts

app = typer.Typer(
    name="unsam",
    help="Photos that nobody labelled in, SAM-like masks at every granularity out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _theme in (labels, models, prompts, classes, operations):
    app.add_typer(_theme.app)


def main() -> None:
    app()
