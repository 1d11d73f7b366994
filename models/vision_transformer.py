"""DINO vision transformers whose features are the keys of the last block (spec 1.1)."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch.nn import functional

from models.backbone import Backbone, BackboneDefaults


class KeyTransformer(Backbone):
    """Keys of a ViT's last block: before softmax, neither scaled nor normalised, heads joined, CLS dropped.

    Nothing after that key projection is computed. The position embedding is interpolated bicubically to the grid.
    """

    def __init__(self, name: str, architecture: str, defaults: BackboneDefaults) -> None:
        body: Any = timm.create_model(architecture, pretrained=False, num_classes=0, dynamic_img_size=True)
        super().__init__(name, stride=body.patch_embed.patch_size[0], dim=body.embed_dim, defaults=defaults)
        self.body: Any = body

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
        body = self.body
        return body.norm_pre(body._pos_embed(body.patch_embed(self.prepare(pixels))))

    def _keys(self, hidden: torch.Tensor) -> torch.Tensor:
        last = self.body.blocks[-1]
        qkv = last.attn.qkv
        rows = slice(self.dim, 2 * self.dim)
        bias = None if qkv.bias is None else qkv.bias[rows]
        return functional.linear(last.norm1(hidden), qkv.weight[rows], bias)

    def _grid(self, tokens: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        height, width = (side // self.stride for side in pixels.shape[-2:])
        patches = tokens[:, self.body.num_prefix_tokens :]
        return patches.reshape(len(pixels), height, width, self.dim).float()
