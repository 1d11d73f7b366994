"""A shard materialised with clicks in the Dagster UI, by the server and daemon that `unsam ui` starts."""

import shutil
import signal
import socket
import time
import urllib.error
import urllib.request

import dagster as dg
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from assets.partitions import GROUP
from pipelines.instance import open_instance
from stores.home import Home
from stores.manifests import registered
from stores.mask_store import open_masks
from stores.versions import NoVersion

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(540),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url: str, process) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise TimeoutError(f"{url} does not answer")


def wait_for_masks(home: Home, shard: str, page: Page, url: str) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            open_masks(home, "hierarchical_masks", shard)
            return
        except NoVersion:
            time.sleep(1)
    page.goto(f"{url}/runs")
    raise TimeoutError(f"no masks: {page.inner_text('body')}")


def statuses(home: Home, patience: float) -> list[dg.DagsterRunStatus]:
    """Of all runs, once they are finished: checks come after the masks. `patience` in seconds."""
    deadline = time.monotonic() + patience
    with open_instance(home) as instance:
        while not all(run.is_finished for run in instance.get_runs()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return [run.status for run in instance.get_runs()]


@pytest.mark.heavy
def test_a_shard_is_materialised_with_clicks(unsam, start_unsam, photos, page, tmp_path):
    assert unsam("add", photos).exit_code == 0
    home = Home(str(tmp_path / "home"))
    (shard,) = registered(home)
    port = free_port()
    server = start_unsam("ui", "--port", port)
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, server)

    page.goto(f"{url}/locations/__repository__@unsam/asset-groups/{GROUP}")
    page.get_by_role("button", name="Materialize all").first.click()
    page.get_by_text("All", exact=True).click()
    launch = page.get_by_role("button", name="Launch").last
    expect(launch).to_be_enabled()
    launch.click()
    wait_for_masks(home, shard, page, url)
    assert open_masks(home, "hierarchical_masks", shard).counts().sum() > 20

    page.goto(f"{url}/assets/hierarchical_masks?partition={shard}&view=partitions")
    expect(page.get_by_text("masks_per_image").first).to_be_visible()
    picture = page.locator("img[src^='data:image']").first
    if not picture.count():
        page.get_by_text("Show Markdown").first.click()
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 200

    assert statuses(home, 60) == [dg.DagsterRunStatus.SUCCESS]

    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/server_info", timeout=5)
