"""CLIP embeddings of words and of pictures of masks (SAM's appendix on text; spec 10.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from models.weights import WeightsUnavailable

HUB_NAME = "openai/clip-vit-base-patch32"
_MIDDLE_GREY = 0


class TextEncoder:
    """CLIP of `transformers`, from a folder of its files or from the hub.

    Args:
        source: a folder with `config.json`, `model.safetensors` and the tokenizer's files, or a name on the hub.

    Raises:
        WeightsUnavailable: they cannot be had.
    """

    def __init__(self, source: str = HUB_NAME, device: str | torch.device = "cpu") -> None:
        from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

        local = Path(source).is_dir()
        try:
            model: Any = CLIPModel.from_pretrained(source, use_safetensors=True, local_files_only=local)
            self._tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
            self._processor = AutoImageProcessor.from_pretrained(source, local_files_only=local)
        except (OSError, ValueError) as error:
            raise WeightsUnavailable(
                f"no CLIP weights at {source}: name a folder with its files "
                "(config.json, model.safetensors, the tokenizer's), or be online once"
            ) from error
        self._model = model.eval().to(device)
        self._device = torch.device(device)

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return int(self._model.config.projection_dim)

    @torch.inference_mode()
    def of_text(self, text: str) -> torch.Tensor:
        """The unit embedding (D,) of a text; what is too long for CLIP is cut."""
        most = int(self._model.config.text_config.max_position_embeddings)
        tokens = self._tokenizer([text], return_tensors="pt", truncation=True, max_length=most).to(self._device)
        return _unit(self._model.get_text_features(**tokens))[0]

    @torch.inference_mode()
    def of_pictures(self, pictures: list[np.ndarray]) -> torch.Tensor:
        """Unit embeddings (N, D) of uint8 RGB pictures (h, w, 3)."""
        pixels = self._processor([Image.fromarray(picture) for picture in pictures], return_tensors="pt")
        return _unit(self._model.get_image_features(pixel_values=pixels["pixel_values"].to(self._device)))


def mask_picture(image: np.ndarray, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """What CLIP sees of a mask in training: its box, grown by up to a half on each side, its surroundings gone or not.

    SAM's appendix: the box is expanded by a random factor of 1 to 2, and in half of the cases the background is zeroed.

    Args:
        image: (H, W, 3) uint8. mask: (H, W) bool, not empty.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    factor = generator.uniform(1, 2)
    top, bottom = _grown(rows[0], rows[-1] + 1, factor, mask.shape[0])
    left, right = _grown(columns[0], columns[-1] + 1, factor, mask.shape[1])
    crop = image[top:bottom, left:right]
    if generator.random() < 0.5:
        return np.where(mask[top:bottom, left:right, None], crop, _MIDDLE_GREY).astype(np.uint8)
    return crop


def _grown(low: int, high: int, factor: float, most: int) -> tuple[int, int]:
    more = (factor - 1) * (high - low) / 2
    return max(0, round(low - more)), min(most, round(high + more))


def _unit(features: Any) -> torch.Tensor:
    embedding = features if isinstance(features, torch.Tensor) else features.pooler_output
    return functional.normalize(embedding.float(), dim=-1)
