"""What a benchmark prints about the machine, and how it takes its times."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch


def describe_machine() -> str:
    """One line: processor, cores, torch, GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{_processor()}, {cores} cores, {gpu}, torch {torch.__version__}, Python {platform.python_version()}"


def alternate(*sides: Callable[[], object], rounds: int = 3) -> list[list[float]]:
    """Seconds of each side, one list a side: every round runs all sides in turn, so that all see the same load."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, times in zip(sides, seconds, strict=True):
            start = time.perf_counter()
            side()
            times.append(time.perf_counter() - start)
    return seconds


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Median over the rounds of one side's time over the other's."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def verdict(reached: bool) -> str:
    """How a bar is reported."""
    return "pass" if reached else "MISS"


def peak_gigabytes() -> float:
    """Peak of this process since its program began; `ru_maxrss` would count what a child inherits of its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024**2
    raise RuntimeError("this kernel does not tell a process's peak memory")


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
