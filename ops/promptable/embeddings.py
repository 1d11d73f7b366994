"""An image embedding as a file, bound to the model that made it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from models.image_embedding import ImageEmbedding
from models.weights import state_hash
from ops.promptable.checks import PromptError

_KIND = "image_embedding"


@dataclass(frozen=True)
class SavedEmbedding:
    """An embedding of a photo of (H, W) `size` by the model whose `model_digest` is `model`."""

    size: tuple[int, int]
    model: str
    embedding: ImageEmbedding


def model_digest(model: nn.Module) -> str:
    """What tells models apart: a hash of the weights behind the backbone, which every training changes."""
    state = {name: value for name, value in model.state_dict().items() if ".pyramid." not in name}
    return state_hash(state)


def save_embedding(saved: SavedEmbedding, path: str | Path) -> None:
    """Write a safetensors file in half precision."""
    tensors = {"coarse": saved.embedding.coarse}
    tensors |= {f"fine.{index}": level for index, level in enumerate(saved.embedding.fine)}
    metadata = {"kind": _KIND, "size": json.dumps(saved.size), "model": saved.model}
    save_file({name: value.cpu().half().contiguous() for name, value in tensors.items()}, path, metadata=metadata)


def load_embedding(path: str | Path, model: str) -> SavedEmbedding:
    """The embedding of `save_embedding`, in float32.

    Raises:
        PromptError: no such file, a damaged one, or one that another model than `model` made.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise PromptError(f"{path}: not an image embedding: {error}") from error
    if metadata.get("kind") != _KIND:
        raise PromptError(f"{path}: holds {metadata.get('kind', 'plain tensors')}, not an image embedding")
    if metadata["model"] != model:
        raise PromptError(f"{path}: the embedding of another model; set the image again")
    height, width = json.loads(metadata["size"])
    fine = tuple(tensors[f"fine.{index}"] for index in range(len(tensors) - 1))
    return SavedEmbedding((height, width), model, ImageEmbedding(tensors["coarse"], fine))
