"""Prompts on the command line, and the page that a person clicks on."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, TimeoutError, expect, sync_playwright
from typer.testing import Result

from models.promptable import PromptableModel, save_promptable
from models.promptable_config import PromptableConfig
from pipelines.commands.prompt import AskedFor, parse
from stores.sa1b import from_sa1b

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, of a second to load."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    shape = PromptableConfig(backbone="augnet_resnet50", image_size=64, dim=64, feedforward=32, outputs=3)
    save_promptable(PromptableModel(shape), path)
    return path


@pytest.mark.parametrize(
    ("prompt", "masks"),
    [
        (["--point", "50,40"], 3),
        (["--point", "50,40", "--point", "9,9,0", "--box", "10,10,100,80"], 1),
        (["--point", "50,40", "--granularity", "0.4"], 1),
    ],
)
def test_a_prompt_makes_a_picture_and_a_file(
    unsam: Callable[..., Result], photos: Path, model_file: Path, tmp_path: Path, prompt: list[str], masks: int
) -> None:
    done = unsam("segment", photos / "photo00.jpg", "--model", model_file, "-o", tmp_path / "out", *prompt)
    assert done.exit_code == 0, done.output
    found = from_sa1b(json.loads((tmp_path / "out" / "photo00.json").read_bytes()))
    assert (len(found), found.size) == (masks, (150, 200))
    assert (tmp_path / "out" / "photo00.jpg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--point", "5"], "not of the form x,y"),
        (["--point", "5,here"], "not of the form x,y"),
        (["--point", "500,10"], "outside the image of 200 x 150"),
        (["--box", "5,5,0,20"], "has no area"),
        (["--box", "5,5,20"], "not of the form x,y,w,h"),
        (["--granularity", "0.5"], "empty prompt"),
        (["--point", "5,5", "--granularity", "3"], "granularity goes from 0.1"),
        (["--text", "a cat"], "takes no text"),
        (["--point", "5,5", "second.jpg"], "of one photo"),
    ],
)
def test_prompts_that_cannot_be_answered(
    unsam: Callable[..., Result], photos: Path, model_file: Path, arguments: list[str], message: str
) -> None:
    done = unsam("segment", photos / "photo00.jpg", "--model", model_file, *arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_without_a_model_it_says_what_to_do(unsam: Callable[..., Result], photos: Path) -> None:
    done = unsam("segment", photos / "photo00.jpg", "--point", "5,5")
    assert done.exit_code == 2
    assert "promptable_model" in done.output


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["learn-prompts"], "no shard is registered"),
        (["learn-prompts", "--preset", "big"], "unknown preset"),
        (["learn-prompts", "--set", "training.prompting.text=0.5"], "needs clip"),
        (["evaluate-prompts", "--datasets", "none-such"], "unknown dataset"),
        (["click", "no-such-photo.jpg"], "there is no no-such-photo.jpg"),
        (["click"], "promptable_model"),
    ],
)
def test_commands_that_cannot_begin(unsam: Callable[..., Result], command: list[str], message: str) -> None:
    done = unsam(*command)
    assert done.exit_code == 2
    assert message in done.output


def test_boxes_are_typed_with_width_and_height() -> None:
    prompt = parse(AskedFor(points=("1,2", "3,4,0"), box="10,20,30,40"))
    assert prompt.clicks == [(1, 2, 1), (3, 4, 0)]
    assert prompt.box == [10, 20, 40, 60]


@pytest.fixture
def page(environment: dict[str, str], photos: Path, model_file: Path) -> Iterator[str]:
    """The page of `unsam click` on a free port, stopped by its own process group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "click", str(photos)]
    command += ["--model", str(model_file), "--port", str(port)]
    server = subprocess.Popen(command, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}/"
    try:
        _wait(url)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_masks_appear_as_one_clicks(page: str, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        tab.set_default_timeout(90_000)
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(page, wait_until="domcontentloaded")
        _click_until_it_counts(tab)
        assert np.allclose(_colour_at(tab, 300, 200), (46, 204, 64), atol=30), "the dot is not where the click was"
        before = tab.locator("#photo img").first.get_attribute("src")
        tab.locator("#candidate label").nth(2).click()
        expect(tab.locator("#photo img").first).not_to_have_attribute("src", before)
        tab.locator("#tool label").nth(1).click()
        tab.locator("#photo img").first.click(position={"x": 200, "y": 250})
        tab.locator("#candidate").wait_for(state="hidden")
        tab.locator("#clear").click()
        tab.get_by_text("Click on the photo").wait_for()
        tab.locator("#tool label").nth(0).click()
        _click_at_once(tab, [(300, 200), (200, 250)])
        tab.get_by_text("% of the photo, sure to").last.wait_for()
        tab.locator("#candidate").wait_for(state="hidden")
        assert np.allclose(_colour_at(tab, 200, 250), (46, 204, 64), atol=30), "the second of two clicks is lost"
        (tmp_path / "notes.txt").write_text("no photo")
        shutil.copy(tmp_path / "notes.txt", tmp_path / "broken.jpg")
        tab.locator("#upload input[type=file], input[type=file]").first.set_input_files(tmp_path / "broken.jpg")
        tab.locator("#told strong").wait_for()
        assert not errors
        browser.close()


def _click_until_it_counts(tab: Page) -> None:
    """Gradio shows the photo before it listens for clicks on it."""
    picture = tab.locator("#photo img").first
    picture.wait_for()
    for _ in range(8):
        picture.click(position={"x": 300, "y": 200})
        try:
            tab.locator("#candidate label").nth(2).wait_for(timeout=10_000)
        except TimeoutError:
            tab.locator("#clear").click()
            continue
        return
    raise AssertionError("no click on the photo was answered")


def _click_at_once(tab: Page, places: list[tuple[int, int]]) -> None:
    """Clicks on the photo without waiting for an answer between them."""
    tab.locator("#photo img").first.evaluate(
        """async (image, places) => {
            const box = image.getBoundingClientRect();
            for (const [x, y] of places) {
                image.dispatchEvent(new MouseEvent(
                    "click", {clientX: box.left + x, clientY: box.top + y, bubbles: true}
                ));
                await new Promise((resolve) => setTimeout(resolve, 15));
            }
        }""",
        places,
    )


def _colour_at(tab: Page, x: int, y: int) -> tuple[int, ...]:
    """Of the photo as the page shows it."""
    picture = Image.open(io.BytesIO(tab.locator("#photo img").first.screenshot()))
    return picture.convert("RGB").getpixel((x, y))


def _wait(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
