"""The code that goes to a cluster with the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_PACKAGES_OF_WORKERS = ("models", "ops", "stores")


def shipped_code() -> dict[str, Any]:
    """A Ray `runtime_env` by which workers import this very code, whatever version is installed on their nodes."""
    root = Path(__file__).resolve().parent.parent
    return {"py_modules": [str(root / package) for package in _PACKAGES_OF_WORKERS]}
