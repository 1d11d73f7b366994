"""Runs transformers' masked-attention decoder (spec 4.1) without its full-size masks.

The layers and their weights are those of `transformers`; only their order of execution is written anew. The stock
loop multiplies every query with every stride-4 pixel after each layer, keeps the result, and resizes it to the next
layer's scale. Resizing and that product are both linear and commute, so here the pixels are resized once a scale
and the product is taken there. Attention goes through `scaled_dot_product_attention`, one mask for all heads.
With 2000 queries at 1024 x 1536 this is 200 MB instead of 10 GB, and the same numbers to float rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerAttention,
    Mask2FormerMaskedAttentionDecoder,
    Mask2FormerMaskedAttentionDecoderLayer,
    Mask2FormerTransformerModule,
)

Queries = tuple[torch.Tensor, torch.Tensor]


def learned_queries(module: Mask2FormerTransformerModule, batch: int) -> Queries:
    """States and places (B, Q, C) that are the same for every image."""
    embeddings = module.queries_features.weight, module.queries_embedder.weight
    states, places = (embedding[None].expand(batch, -1, -1) for embedding in embeddings)
    return states, places


def positions_of(module: Mask2FormerTransformerModule, feature: torch.Tensor) -> torch.Tensor:
    """Sine positions (1, C, h, w) of a map (B, C, h, w)."""
    return module.position_embedder(feature.shape, feature.device, torch.float32, None)[:1].to(feature.dtype)


def decode(
    module: Mask2FormerTransformerModule,
    features: Sequence[torch.Tensor],
    mask_features: torch.Tensor,
    queries: Queries,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """States and mask embeddings of the queries before the first layer and after each one.

    Args:
        module: transformers' decoder.
        features: three maps (B, C, h_i, w_i), coarse to fine.
        mask_features: (B, D, h, w) at stride 4; a query's mask logits are their product with its embedding.
        queries: states and places (B, Q, C), of `learned_queries` or `models.query_seeds`.

    Returns:
        One pair an output: (B, Q, C) normalised states, (B, Q, D) mask embeddings.
    """
    decoder = module.decoder
    memories, positions = _memories(module, features)
    pixels = [_resized(mask_features, feature.shape[-2:]) for feature in features]
    states, places = queries
    outputs = [_output(decoder, states)]
    for index, child in enumerate(decoder.layers):
        layer = cast(Mask2FormerMaskedAttentionDecoderLayer, child)
        level = index % len(memories)
        allowed = _allowed(outputs[-1][1], pixels[level])
        states = _layer(layer, states, places, memories[level], positions[level], allowed)
        outputs.append(_output(decoder, states))
    return outputs


def _memories(
    module: Mask2FormerTransformerModule, features: Sequence[torch.Tensor]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Tokens (B, S, C) of each scale with its level embedding, and their positions (1, S, C)."""
    memories, positions = [], []
    for index, feature in enumerate(features):
        level = module.level_embed.weight[index][None, :, None]
        memories.append((module.input_projections[index](feature).flatten(2) + level).transpose(1, 2))
        positions.append(positions_of(module, feature).flatten(2).transpose(1, 2))
    return memories, positions


def _resized(mask_features: torch.Tensor, size: torch.Size) -> torch.Tensor:
    resized = functional.interpolate(mask_features.detach(), size=size, mode="bilinear", align_corners=False)
    return resized.flatten(2)


def _output(decoder: Mask2FormerMaskedAttentionDecoder, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    normalised = decoder.layernorm(states)
    return normalised, decoder.mask_predictor.mask_embedder(normalised)


@torch.no_grad()
def _allowed(embeddings: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Where each query may look, (B, 1, Q, S) bool: inside its present mask, or everywhere where that is empty."""
    inside = torch.bmm(embeddings.to(pixels.dtype), pixels) >= 0
    return (inside | ~inside.any(dim=-1, keepdim=True))[:, None]


def _layer(
    layer: Mask2FormerMaskedAttentionDecoderLayer,
    states: torch.Tensor,
    places: torch.Tensor,
    memory: torch.Tensor,
    positions: torch.Tensor,
    allowed: torch.Tensor,
) -> torch.Tensor:
    """Masked cross-attention, self-attention, feed-forward; each with its residual and a norm after it."""
    looked = _cross_attention(layer.cross_attn, states + places, memory + positions, memory, allowed)
    states = layer.cross_attn_layer_norm(states + looked)
    states = layer.self_attn_layer_norm(states + _self_attention(layer.self_attn, states, places))
    return layer.final_layer_norm(states + layer.fc2(layer.activation_fn(layer.fc1(states))))


def _cross_attention(
    attention: nn.MultiheadAttention,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    allowed: torch.Tensor,
) -> torch.Tensor:
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    query, key, value = (
        _heads(functional.linear(tokens, weight, bias), attention.num_heads)
        for tokens, weight, bias in zip((queries, keys, values), weights, biases, strict=True)
    )
    return attention.out_proj(_joined(functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)))


def _self_attention(attention: Mask2FormerAttention, states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    placed = states + places
    query, key, value = (
        _heads(tokens, attention.num_heads)
        for tokens in (attention.q_proj(placed), attention.k_proj(placed), attention.v_proj(states))
    )
    return attention.out_proj(_joined(functional.scaled_dot_product_attention(query, key, value)))


def _heads(tokens: torch.Tensor, count: int) -> torch.Tensor:
    batch, length, dim = tokens.shape
    return tokens.view(batch, length, count, dim // count).transpose(1, 2)


def _joined(heads: torch.Tensor) -> torch.Tensor:
    return heads.transpose(1, 2).flatten(2)
