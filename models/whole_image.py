"""Class-agnostic Mask2Former of `transformers` on a self-supervised backbone: the whole-image model (spec 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPreTrainedModel,
    Mask2FormerTransformerModule,
)

from models.deformable_attention import LeanPixelDecoder
from models.feature_pyramid import FeaturePyramid, build_pyramid, load_pretrained
from models.input_sides import check_sides
from models.network_files import load_network, save_network
from models.query_decoder import Queries, decode, learned_queries, positions_of
from models.query_outputs import MASK, NO_MASK, QueryOutputs
from models.query_seeds import GridSeeds
from models.whole_image_config import WholeImageConfig

KIND = "whole_image"
_FINEST_STRIDE = 8  # of the maps that the decoder attends to


class WholeImageModel(Mask2FormerPreTrainedModel):
    """Backbone, pixel decoder and query decoder; every weight but the backbone's begins at random.

    Args:
        shape: sizes of the parts.
        pyramid: the backbone's trainable feature maps; None builds that of `shape.backbone` with random weights.
    """

    def __init__(self, shape: WholeImageConfig, pyramid: FeaturePyramid | None = None) -> None:
        config = mask2former_config(shape)
        super().__init__(config)
        self.shape = shape
        pyramid = pyramid or build_pyramid(shape.backbone, shape.frozen_stages)
        self.pixel_decoder = LeanPixelDecoder(config, pyramid.channels)
        self.query_decoder = Mask2FormerTransformerModule(in_features=config.feature_size, config=config)
        self.class_predictor = nn.Linear(config.hidden_dim, len((MASK, NO_MASK)))
        self.seeds = GridSeeds(shape.dim, shape.seed_stride, shape.seed_levels) if shape.seed_stride else None
        if self.seeds:
            del self.query_decoder.queries_features, self.query_decoder.queries_embedder
        self.post_init()
        self.pyramid = pyramid  # after `post_init`, which would draw its weights anew

    def forward(self, pixels: torch.Tensor) -> QueryOutputs:
        """Outputs for ImageNet-normalised pixels (B, 3, H, W).

        Raises:
            ValueError: a side is no multiple of 32.
        """
        check_sides(pixels.shape[-2], pixels.shape[-1])
        decoded = self.pixel_decoder(self.pyramid(pixels), output_hidden_states=False)
        queries = self._queries(decoded.multi_scale_features)
        outputs = decode(self.query_decoder, decoded.multi_scale_features, decoded.mask_features, queries)
        return QueryOutputs(
            embeddings=[embedding.float() for _, embedding in outputs],
            class_logits=[self.class_predictor(states).float() for states, _ in outputs],
            mask_features=decoded.mask_features.float(),
        )

    def _queries(self, features: Sequence[torch.Tensor]) -> Queries:
        """Of maps coarse to fine."""
        if self.seeds is None:
            return learned_queries(self.query_decoder, len(features[0]))
        return self.seeds(features[-1], positions_of(self.query_decoder, features[-1]), _FINEST_STRIDE)


def build_whole_image(shape: WholeImageConfig, weights: str | None = None) -> WholeImageModel:
    """A model to train: decoder at random (seed torch first), backbone with its self-supervised weights.

    Raises:
        WeightsUnavailable: the backbone's weights cannot be had; `weights` may name a file or URL.
    """
    model = WholeImageModel(shape)
    load_pretrained(model.pyramid, shape.backbone, weights)
    return model


def save_whole_image(model: WholeImageModel, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and shape as one safetensors file; float16 halves it."""
    save_network(model, KIND, asdict(model.shape), path, dtype)


def load_whole_image(path: str | Path, device: str | torch.device = "cpu") -> WholeImageModel:
    """The model of `save_whole_image`, in float32, ready to predict.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
    """

    def built(shape: dict[str, Any]) -> WholeImageModel:
        return WholeImageModel(WholeImageConfig(**shape))

    return load_network(path, KIND, "a whole-image model", built, device)


def mask2former_config(shape: WholeImageConfig) -> Mask2FormerConfig:
    """transformers' configuration of the same model, with the losses' weights of spec 4.1."""
    config = Mask2FormerConfig(
        num_queries=shape.queries,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers + 1,
        feature_size=shape.dim,
        mask_feature_size=shape.dim,
        hidden_dim=shape.dim,
        encoder_feedforward_dim=4 * shape.dim,
        dim_feedforward=shape.feedforward,
    )
    config.num_labels = 1
    return config
