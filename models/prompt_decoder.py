"""Runs SAM's mask decoder of `transformers` (spec 10.1) so that prompts of one image share what they can.

The layers and their weights are those of `transformers`; only their order of execution is written anew. Without mask
prompts the first layer projects the image once, not once a prompt, and scores are there before any mask is made, so
that a caller who throws away most masks pays for the others only. The numbers are the same to float rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from transformers.models.sam.modeling_sam import SamAttention, SamMaskDecoder, SamTwoWayAttentionBlock

from models.image_embedding import ImageEmbedding, from_cells

_SHARPNESS = 1.5


def attend_to_own_place(decoder: SamMaskDecoder) -> None:
    """Begin with attention between prompts and image that is strongest where both are at the same place.

    The product of two position encodings is a bump about no distance; equal orthogonal projections of queries and
    keys keep it, while independent ones lose it and have to learn first what a place is.
    """
    transformer = decoder.transformer
    crossings = [transformer.final_attn_token_to_image]
    for layer in _layers(decoder):
        crossings += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in crossings:
        nn.init.orthogonal_(attention.q_proj.weight, _SHARPNESS)
        attention.k_proj.weight.data.copy_(attention.q_proj.weight.data)


@dataclass(frozen=True)
class Answers:
    """What the decoder knows of N prompts before it draws masks.

    Shapes: tokens (N, 1 + K, D), the mask for a clear prompt first; keys (N, S, D), the image as each prompt sees it;
    scores (N, 1 + K) float32, the predicted IoU; drawn (N, 2, 4h, 4w), the prompts as maps, or None.
    """

    tokens: torch.Tensor
    keys: torch.Tensor
    scores: torch.Tensor
    drawn: torch.Tensor | None = None

    def take(self, rows: torch.Tensor | slice) -> Answers:
        drawn = None if self.drawn is None else self.drawn[rows]
        return Answers(self.tokens[rows], self.keys[rows], self.scores[rows], drawn)


def answer(
    decoder: SamMaskDecoder,
    embedding: ImageEmbedding,
    positions: torch.Tensor,
    sparse: torch.Tensor,
    dense: torch.Tensor,
) -> Answers:
    """Let prompts and image attend to each other.

    Args:
        embedding: of one image.
        positions: (1, D, h, w) encodings of its cells.
        sparse: (N, T, D) prompt tokens.
        dense: (N, D, h, w), or (1, D, h, w) where all prompts share it.
    """
    learned = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    prompt_tokens = torch.cat([learned.expand(len(sparse), -1, -1), sparse], 1)
    image = embedding.tokens
    places, asked = (maps.flatten(2).transpose(1, 2).to(image.dtype) for maps in (positions, dense))
    keys = image + asked
    queries = prompt_tokens
    for layer in _layers(decoder):
        queries, keys = _layer(layer, queries, keys, prompt_tokens, places)
    query = queries + prompt_tokens
    last = decoder.transformer.final_attn_token_to_image
    queries = decoder.transformer.layer_norm_final_attn(queries + _attend(last, query, keys + places, keys))
    with torch.autocast(queries.device.type, enabled=False):  # halves would blur the ranking of good masks
        scores = decoder.iou_prediction_head(queries[:, 0].float())
    return Answers(queries[:, 1 : 1 + decoder.num_mask_tokens], keys, scores)


def draw(decoder: SamMaskDecoder, embedding: ImageEmbedding, answers: Answers, outputs: Sequence[int]) -> torch.Tensor:
    """Mask logits (N, len(outputs), 4h, 4w) float32 of some of the outputs.

    An up-convolution of stride 2 is a product for each cell, whose four pixels stay beside it until the masks are
    there: pixels are moved once, and only those of masks.
    """
    first, second, norm = decoder.upscale_conv1, decoder.upscale_conv2, decoder.upscale_layer_norm
    fine = embedding.fine_by_cell or (None, None)
    upscaled = _split(first, answers.keys, fine[0])
    upscaled = functional.layer_norm(upscaled, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    upscaled = decoder.activation(_split(second, decoder.activation(upscaled), fine[1]))
    weights = torch.stack([decoder.output_hypernetworks_mlps[k](answers.tokens[:, k]) for k in outputs], 1)
    height, width = embedding.coarse.shape[-2:]
    return from_cells((upscaled @ weights.mT).float(), (height, width))


def _split(layer: nn.ConvTranspose2d, cells: torch.Tensor, fine: torch.Tensor | None) -> torch.Tensor:
    """Each of (N, S, C) cells as its four pixels, (N, 4 S, D), with what the image has to say of them (1, 4 S, D)."""
    weight = layer.weight.permute(0, 2, 3, 1).flatten(1)
    bias = cast(torch.Tensor, layer.bias)
    if fine is None:
        split = torch.addmm(bias.repeat(4), cells.flatten(0, 1), weight)
        return split.view(len(cells), 4 * cells.shape[1], len(bias))
    told = (fine + bias.to(fine.dtype)).view(1, cells.shape[1], weight.shape[1]).expand(len(cells), -1, -1)
    return torch.baddbmm(told, cells, weight.expand(len(cells), -1, -1)).view(len(cells), 4 * cells.shape[1], len(bias))


def _layers(decoder: SamMaskDecoder) -> list[SamTwoWayAttentionBlock]:
    return [cast(SamTwoWayAttentionBlock, layer) for layer in decoder.transformer.layers]


def _layer(
    layer: SamTwoWayAttentionBlock,
    queries: torch.Tensor,
    keys: torch.Tensor,
    prompt_tokens: torch.Tensor,
    places: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    if layer.skip_first_layer_pe:
        queries = _attend(layer.self_attn, queries, queries, queries)
    else:
        query = queries + prompt_tokens
        queries = queries + _attend(layer.self_attn, query, query, queries)
    queries = layer.layer_norm1(queries)
    key = keys + places
    queries = queries + _attend(layer.cross_attn_token_to_image, queries + prompt_tokens, key, keys)
    queries = layer.layer_norm2(queries)
    queries = layer.layer_norm3(queries + layer.mlp(queries))
    return queries, layer.layer_norm4(
        _told(layer.cross_attn_image_to_token, keys, key, queries + prompt_tokens, queries)
    )


def _told(
    attention: SamAttention, keys: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """The image (N or 1, S, D) and what it learns of a few tokens."""
    few = attention.internal_dim // attention.num_attention_heads
    if key.shape[1] <= few < query.shape[1]:
        return _many_ask(attention, keys, query, key, value)
    return keys + _attend(attention, query, key, value)


def _attend(attention: SamAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention of (N or 1, Q, D) to (N or 1, S, D); what all prompts share is projected once.

    Where one side is a few prompt tokens and the other an image, the projections of the image are moved to the side of
    the tokens, (x W)·q = x·(W q): the same sums in another order, and fewer of them.
    """
    heads, few = attention.num_attention_heads, attention.internal_dim // attention.num_attention_heads
    if query.shape[1] <= few < key.shape[1]:
        return _few_ask(attention, query, key, value)
    q, k, v = (
        projection(tokens).unflatten(2, (heads, -1)).transpose(1, 2)
        for projection, tokens in ((attention.q_proj, query), (attention.k_proj, key), (attention.v_proj, value))
    )
    count = max(len(q), len(k))
    q, k, v = (tensor.expand(count, -1, -1, -1) for tensor in (q, k, v))
    return attention.out_proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def _few_ask(attention: SamAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A few tokens attend to an image. The keys' bias adds the same to all of a softmax and is left out."""
    heads, count = attention.num_attention_heads, query.shape[1]
    asked = attention.scaling * _by_head(attention.q_proj(query), heads) @ _weights(attention.k_proj.weight, heads)
    shares = (asked.flatten(1, 2) @ key.mT).softmax(-1)
    seen = (shares @ value).unflatten(1, (heads, count)) @ _weights(attention.v_proj.weight, heads).mT
    return attention.out_proj(seen.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _many_ask(
    attention: SamAttention, keys: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """An image attends to a few tokens, and adds what it learns; shares sum to one, so that they carry the bias too."""
    heads, count = attention.num_attention_heads, key.shape[1]
    asked = attention.scaling * _by_head(attention.k_proj(key), heads)
    values = _by_head(attention.v_proj(value), heads)
    answering = (asked @ _weights(attention.q_proj.weight, heads)).flatten(1, 2)
    constant = (asked * attention.q_proj.bias.unflatten(0, (heads, 1, -1))).sum(-1).flatten(1)
    shape = (len(answering), -1, -1)
    scores = torch.baddbmm(constant[..., None], answering, query.mT.expand(shape))
    shares = scores.unflatten(1, (heads, count)).softmax(2).flatten(1, 2)
    told = values @ attention.out_proj.weight.T.unflatten(0, (heads, -1)) + attention.out_proj.bias / heads
    return torch.baddbmm(keys.expand(shape), shares.mT, told.flatten(1, 2))


def _by_head(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


def _weights(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A projection's weight by head, (heads, d, D)."""
    return weight.unflatten(0, (heads, -1))
