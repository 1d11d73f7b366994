"""DINO vision transformers whose features are the keys of the last block (spec 1.1)."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch.nn import functional

from models.backbone import Backbone, BackboneDefaults

_ROUNDING_GUARD = 0.1


class KeyTransformer(Backbone):
    """Keys of a ViT's last block: before softmax, neither scaled nor normalised, heads joined, CLS dropped.

    Nothing after that key projection is computed. The weights' position embedding is interpolated to any grid.
    """

    def __init__(self, name: str, architecture: str, defaults: BackboneDefaults) -> None:
        body: Any = timm.create_model(architecture, pretrained=False, num_classes=0, dynamic_img_size=True)
        super().__init__(name, stride=body.patch_embed.patch_size[0], dim=body.embed_dim, defaults=defaults)
        self.body = body

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take over weights in timm's layout, which the official DINO files share; a projection head is ignored."""
        self.body.load_state_dict({key: value for key, value in state.items() if not key.startswith("head.")})

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self._embed(pixels)
        for block in self.body.blocks[:-1]:
            hidden = block(hidden)
        return self._grid(self._keys(hidden), pixels)

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Hidden states after a quarter, half and three quarters of the blocks, then the last block's keys."""
        depth = len(self.body.blocks)
        wanted = {depth // 4, depth // 2, 3 * depth // 4}
        hidden, outputs = self._embed(pixels), []
        for index, block in enumerate(self.body.blocks[:-1], start=1):
            hidden = block(hidden)
            if index in wanted:
                outputs.append(self._grid(hidden, pixels))
        return [*outputs, self._grid(self._keys(hidden), pixels)]

    def _embed(self, pixels: torch.Tensor) -> torch.Tensor:
        patches = self.body.patch_embed(self.prepare(pixels))
        count, height, width, _ = patches.shape
        embedding = self.body.pos_embed
        grid = interpolate_positions(embedding[:, 1:], (height, width))
        cls_token = (self.body.cls_token + embedding[:, :1]).expand(count, -1, -1)
        return torch.cat([cls_token, patches.flatten(1, 2) + grid], dim=1)

    def _keys(self, hidden: torch.Tensor) -> torch.Tensor:
        last = self.body.blocks[-1]
        qkv = last.attn.qkv
        rows = slice(self.dim, 2 * self.dim)
        bias = None if qkv.bias is None else qkv.bias[rows]
        return functional.linear(last.norm1(hidden), qkv.weight[rows], bias)

    def _grid(self, tokens: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        height, width = (side // self.stride for side in pixels.shape[-2:])
        return tokens[:, 1:].reshape(len(pixels), height, width, self.dim).float()


def interpolate_positions(embedding: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Position embedding (1, s * s, C) of a square grid, bicubically at `size` = (h, w): (1, h * w, C).

    As DINO does it: by scale factors that aim 0.1 of a token too far, which also moves the samples by that little.
    """
    side = round(embedding.shape[1] ** 0.5)
    if size == (side, side):
        return embedding
    square = embedding.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    factors = tuple((target + _ROUNDING_GUARD) / side for target in size)
    resized = functional.interpolate(square, scale_factor=factors, mode="bicubic")
    return resized.flatten(2).transpose(1, 2).to(embedding.dtype)
