"""One way to compile numerical kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` with numba at its first call: without the GIL, on one thread, kept on disk for later runs.

    Where neither the source folder nor the user's cache folder can be written, it is compiled anew in each process.
    Sums may be reordered; NaN and infinities keep their meaning.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cache" not in str(error):
            raise
        return njit(**options)(function)
