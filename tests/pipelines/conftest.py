"""A home, photos, and `unsam` as a user calls it: a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner, Result

from pipelines.cli import app

PROJECT = Path(__file__).parents[2]
SMALL = ("--preset", "small", "--set", "pixel_tree.side=240", "--set", "pixel_tree.feature_side=240")


def save_photos(folder: Path, count: int) -> list[str]:
    """Crops of scikit-image's photos, 200 pixels wide, each another."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [data.coffee(), data.astronaut(), data.chelsea()]
    names = []
    for number in range(count):
        image = Image.fromarray(sources[number % 3]).resize((260, 200))
        name = f"photo{number:02}.jpg"
        image.crop((3 * number, 2 * number, 200 + 3 * number, 150 + 2 * number)).save(folder / name, quality=92)
        names.append(name)
    return names


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photos."""
    save_photos(tmp_path / "photos", 3)
    return tmp_path / "photos"


@pytest.fixture
def untidy_photos(photos: Path) -> Path:
    """The same folder with all that lies in a real one."""
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    whole = (photos / "photo00.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("not a photo")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "notes.txt").write_text("bought milk")
    Image.new("RGB", (200, 150), (90, 120, 30)).save(photos / "flat.png")
    Image.fromarray(noise).convert("RGBA").save(photos / "alpha.png")
    Image.fromarray(noise).convert("CMYK").save(photos / "print.jpg")
    (photos / "other").mkdir()
    Image.fromarray(noise).save(photos / "other" / "photo00.jpg")
    return photos


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user whose home is empty, in a folder that is not the project's."""
    for name in os.environ:
        if name.startswith(("UNSAM_", "DAGSTER_")):
            monkeypatch.delenv(name)
    for name, value in {"UNSAM_HOME": str(tmp_path / "home"), "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return dict(os.environ) | {"PYTHONPATH": str(PROJECT)}


@pytest.fixture
def unsam(environment: dict[str, str]) -> Callable[..., Result]:
    """Calls `unsam` with arguments, in this process."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)])

    return call


@pytest.fixture
def start_unsam(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `unsam` in a process group of its own, which is ended after the test."""
    started = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from pipelines.cli import main; main()", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
