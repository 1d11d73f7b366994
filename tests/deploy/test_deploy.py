"""What can be checked of the deployment without a container engine: it parses, fits together, and hides secrets."""

import re
from pathlib import Path

import pytest
import yaml

from stores.home import HOME_VARIABLE

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.glob("*.yaml"))
PROJECT = DEPLOY.parent


def load(name: str) -> dict:
    return yaml.safe_load((DEPLOY / name).read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_parses_and_holds_no_secret(path):
    text = path.read_text()
    assert list(yaml.safe_load_all(text))
    for line in text.splitlines():
        if re.search(r"password|token|webhook", line, re.I) and not line.strip().startswith("#"):
            assert re.search(r"\$\{|secretKeyRef|value: token|MODE: token|pg_isready|name: RAY_AUTH_TOKEN$|# ", line), (
                line
            )


def test_compose_fits_together():
    compose = load("compose.yaml")
    services = compose["services"]
    assert services.keys() == {"postgres", "code", "webserver", "daemon", "ray-head", "ray-worker"}
    published = {port for service in services.values() for port in service.get("ports", [])}
    assert published == {"127.0.0.1:3000:3000"}, "only the web server, and only on this machine"
    for service in services.values():
        for needed, condition in service.get("depends_on", {}).items():
            assert needed in services
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]
    volumes = {
        entry.split(":")[0] for one in services.values() for entry in one.get("volumes", []) if entry[0].isalpha()
    }
    assert volumes == compose["volumes"].keys()
    assert compose["x-app"]["environment"][HOME_VARIABLE].startswith("/data")


def test_the_code_location_is_where_the_others_look_for_it():
    (location,) = load("workspace.yaml")["load_from"]
    server = location["grpc_server"]
    command = load("compose.yaml")["services"][server["host"]]["command"]
    assert str(server["port"]) in command
    assert "pipelines.definitions" in command


def test_a_gpu_overlay_changes_services_that_exist():
    assert load("compose.gpu.yaml")["services"].keys() <= load("compose.yaml")["services"].keys()


def test_what_the_image_copies_is_in_the_build_context():
    copied = [
        part
        for line in (DEPLOY / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
        for part in line.split()[1:-1]
    ]
    allowed = (PROJECT / ".dockerignore").read_text().split()
    for part in copied:
        assert (PROJECT / part).exists(), part
        assert f"!{part.split('/')[0]}" in allowed, part


def test_the_ray_versions_agree():
    lock = (PROJECT / "requirements.lock").read_text()
    version = re.search(r"^ray(?:\[[^]]*\])?==(\S+)", lock, re.M).group(1)
    assert load("kuberay.yaml")["spec"]["rayVersion"] == version


@pytest.mark.parametrize("name", ["dagster.yaml", "deploy/dagster.yaml"])
def test_both_instances_watch_runs(name):
    settings = yaml.safe_load((PROJECT / name).read_text())
    assert settings["run_launcher"]["class"] == "WatchedRunLauncher"
    assert settings["run_monitoring"]["enabled"]
    assert settings["run_retries"] == {"enabled": False}, "the sensor lost_runs does it"
    concurrency = settings["concurrency"]
    assert concurrency["pools"]["default_limit"] == concurrency["runs"]["max_concurrent_runs"]
