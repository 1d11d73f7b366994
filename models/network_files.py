"""Networks as one safetensors file each: their weights, and how to build what they fill."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from models.weights import WeightsUnavailable

Network = TypeVar("Network", bound=nn.Module)


def save_network(network: nn.Module, kind: str, shape: Mapping[str, Any], path: str | Path, dtype: torch.dtype) -> None:
    """Write weights in `dtype`, and `shape`, JSON values from which the network is built anew."""
    state = {
        name: value.detach().to("cpu", dtype if value.is_floating_point() else None).contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, path, metadata={"kind": kind, "shape": json.dumps(dict(shape))})


def kind_of(path: str | Path) -> str | None:
    """Which kind of network a file holds; None for no file, or none of `save_network`."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("kind")
    except (OSError, SafetensorError):
        return None


def load_network(
    path: str | Path,
    kind: str,
    title: str,
    build: Callable[[dict[str, Any]], Network],
    device: str | torch.device = "cpu",
) -> Network:
    """The network of `save_network`, in float32, ready to predict.

    Args:
        title: what the file should be, with its article, for messages.
        build: makes the network, without its weights, from the saved shape.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise WeightsUnavailable(f"{path}: not {title}: {error}") from error
    if metadata.get("kind") != kind:
        raise WeightsUnavailable(f"{path}: holds {metadata.get('kind', 'plain tensors')}, not {title}")
    network = build(json.loads(metadata["shape"]))
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    )
    return network.eval().to(device)
