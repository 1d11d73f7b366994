"""`unsam doctor`: what is here, and what to do about what is not."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import uuid
from importlib.metadata import version

from pipelines.commands.console import out, table
from stores.home import Home

_GIGABYTE = 1e9
_HUB = ("huggingface.co", 443)


def doctor() -> int:
    """Print a table of findings; exit code 1 where something that every run needs is missing."""
    findings = [_python(), *_compute(), _ray(), *_weights(), _hub(), *_home()]
    out.print(
        table(
            "",
            ["what", "state", "found"],
            [(what, "ok" if good else state, found) for what, good, state, found in findings],
        )
    )
    return 1 if any(state == "missing" and not good for _, good, state, _ in findings) else 0


Finding = tuple[str, bool, str, str]


def _python() -> Finding:
    return (
        "Python",
        True,
        "",
        f"{platform.python_version()} on {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
    )


def _compute() -> list[Finding]:
    import torch

    from models.backbone import resolve_precision

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    device = "cuda" if gpus else "cpu"
    return [
        (
            "torch",
            True,
            "",
            f"{torch.__version__}, {str(resolve_precision('auto', device)).removeprefix('torch.')} on {device}",
        ),
        ("GPU", bool(gpus), "none", ", ".join(gpus) or "the CPU does the work"),
    ]


def _ray() -> Finding:
    address = os.environ.get("RAY_ADDRESS")
    return (
        "Ray",
        True,
        "",
        f"{version('ray')}, {'cluster ' + address if address else 'a local one is started for each run'}",
    )


def _weights() -> list[Finding]:
    from models.weights import OFFLINE_BACKBONE, WeightsUnavailable, packaged_weights

    try:
        path = packaged_weights("imgsim", "model.pth")
    except WeightsUnavailable as error:
        return [(f"weights of {OFFLINE_BACKBONE}", False, "missing", str(error))]
    return [(f"weights of {OFFLINE_BACKBONE}", True, "", f"{path.stat().st_size / 1e6:.0f} MB, offline")]


def _hub() -> Finding:
    try:
        with socket.create_connection(_HUB, timeout=3):
            return "hub of DINO weights", True, "", "reached"
    except OSError as error:
        return (
            "hub of DINO weights",
            False,
            "offline",
            f"{error}; weights from a file or {'augnet_resnet50'} work without it",
        )


def _home() -> list[Finding]:
    home = Home.from_environment()
    probe = home.location / f".probe-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"x")
        probe.delete()
    except OSError as error:
        return [("home", False, "missing", f"{home.location} cannot be written: {error}")]
    if not home.location.is_local:
        return [("home", True, "", str(home.location))]
    free = shutil.disk_usage(home.location.local_path).free
    return [("home", True, "", f"{home.location}, {free / _GIGABYTE:.0f} GB free")]
