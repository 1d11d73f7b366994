"""What the command line's tables say."""

import io

import pytest
from rich.console import Console

from pipelines.commands.console import table


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("cat.jpg", "cat.jpg"),
        (1159, "1,159"),
        (993.14, "993.1"),
        (12345.6, "12,345.6"),
        (0.03472, "0.035"),
        (-0.5, "-0.5"),
        (0.0, "0.0"),
    ],
)
def test_numbers_can_be_told_apart(value, said):
    written = io.StringIO()
    Console(file=written, width=80).print(table("Models", ["last loss"], [(value,)]))
    assert [cell.strip() for cell in written.getvalue().splitlines()[4].strip("│").split("│")] == [said]
