"""What holds for every test."""

import os


def pytest_configure() -> None:
    """Tables of the commands are as wide as on a large terminal, whichever test asks for one first."""
    os.environ["COLUMNS"] = "200"
