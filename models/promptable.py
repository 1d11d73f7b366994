"""A SAM-like model: image encoder, SAM's prompt encoder and mask decoder of `transformers` (spec 7 and 10.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn
from transformers import SamConfig
from transformers.models.sam.modeling_sam import SamMaskDecoder, SamMaskEmbedding, SamPromptEncoder

from models.feature_pyramid import FeaturePyramid
from models.image_embedding import ImageEmbedding
from models.image_encoder import ImageEncoder, build_encoder_pyramid, load_encoder_weights
from models.input_sides import MULTIPLE
from models.network_files import load_network, save_network
from models.prompt_decoder import Answers, answer, attend_to_own_place, draw
from models.prompt_encoder import GranularityToken, TextToken, cell_positions, dense_tokens, drawing, point_tokens
from models.promptable_config import STRIDE, PromptableConfig
from models.prompts import Prompts

_KIND = "promptable"
_DRAWN_AT_FIRST = (1.0, 6.0)
Result = TypeVar("Result")


class PromptableModel(nn.Module):
    """Masks for points, boxes, earlier masks, a granularity and a text; every weight begins at random.

    Output 0 is the mask for a clear prompt (several clicks, a box, a granularity); outputs 1 to K are the candidates
    for an ambiguous one, such as a single click.

    Args:
        shape: sizes of the parts.
        image_encoder: pixels to `ImageEmbedding`; None builds that of `shape.backbone`.
    """

    def __init__(self, shape: PromptableConfig, image_encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.shape = shape
        config: Any = sam_config(shape)
        self.image_encoder = image_encoder or ImageEncoder(
            build_encoder_pyramid(shape.backbone, shape.frozen_stages), shape.dim, shape.fine_features
        )
        self.prompt_encoder = SamPromptEncoder(config)
        self.mask_decoder = SamMaskDecoder(config.mask_decoder_config)
        places = self.prompt_encoder.shared_embedding.positional_embedding
        nn.init.normal_(places.requires_grad_(False))  # transformers scales them by hundreds, SAM's own code by one
        attend_to_own_place(self.mask_decoder)
        self._known_positions: tuple[torch.Tensor, torch.Tensor] | None = None
        self.drawn_embed = SamMaskEmbedding(config.prompt_encoder_config) if shape.drawn_prompts else None
        # What a drawing adds to each output's logits: a mask begins as the inside of its box, or about its click.
        begun = torch.tensor(_DRAWN_AT_FIRST).repeat(1 + shape.outputs, 1)
        self.drawn_share = nn.Parameter(begun) if shape.drawn_prompts else None
        self.granularity_token = GranularityToken(shape.dim) if shape.granularity else None
        self.text_token = TextToken(shape.text_dim, shape.dim) if shape.text_dim else None

    def forward(self, pixels: torch.Tensor, converse: Callable[[ImageEmbedding], Result]) -> Result:
        """Encode, then let `converse` prompt: one pass through the module, as data-parallel training wants it."""
        return converse(self.encode(pixels))

    def encode(self, pixels: torch.Tensor) -> ImageEmbedding:
        """The embedding of ImageNet-normalised pixels (B, 3, S, S), S the model's `image_size`.

        Raises:
            ValueError: pixels of another size.
        """
        side = self.shape.image_size
        if pixels.shape[-2:] != (side, side):
            raise ValueError(f"pixels of (H, W) = {side, side} expected, got {tuple(pixels.shape[-2:])}")
        return self.image_encoder(pixels)

    def answer(self, embedding: ImageEmbedding, prompts: Prompts) -> Answers:
        """Scores of N prompts of one image, and what their masks are drawn from.

        Raises:
            ValueError: prompts of a kind that this model was not made for.
        """
        encoder = self.prompt_encoder
        positions = self._positions((embedding.coarse.shape[2], embedding.coarse.shape[3]))
        dense = dense_tokens(encoder, prompts.masks)
        drawn = None
        if self.drawn_embed:
            side = self.shape.image_size
            drawn = drawing(prompts, side // 4, side)
            dense = dense + self.drawn_embed(drawn[:, :1])
        answers = answer(self.mask_decoder, embedding, positions, self._sparse(prompts), dense)
        return replace(answers, drawn=drawn)

    def draw(self, embedding: ImageEmbedding, answers: Answers, outputs: Sequence[int]) -> torch.Tensor:
        """Mask logits (N, len(outputs), S / 4, S / 4) float32."""
        logits = draw(self.mask_decoder, embedding, answers, outputs)
        if answers.drawn is None or self.drawn_share is None:
            return logits
        drawn = (self.drawn_share[list(outputs)] @ answers.drawn.flatten(2)).unflatten(2, logits.shape[2:])
        return logits + drawn

    @property
    def pyramid(self) -> FeaturePyramid:
        """The backbone, with self-supervised weights at first; SAM's own encoder has none."""
        return cast(FeaturePyramid, self.image_encoder.pyramid)

    @property
    def device(self) -> torch.device:
        return self.prompt_encoder.no_mask_embed.weight.device

    def _positions(self, size: tuple[int, int]) -> torch.Tensor:
        """`cell_positions`, computed anew only where their weights or the size have changed."""
        places = self.prompt_encoder.shared_embedding.positional_embedding
        known = self._known_positions
        if known and known[0].device == places.device and torch.equal(known[0], places) and known[1].shape[2:] == size:
            return known[1]
        with torch.inference_mode(False), torch.no_grad():  # what inference makes, training could not use
            found = cell_positions(self.prompt_encoder, size)
            self._known_positions = (places.clone(), found)
        return found

    def _sparse(self, prompts: Prompts) -> torch.Tensor:
        tokens = [point_tokens(self.prompt_encoder, prompts)]
        if self.granularity_token:
            asked = prompts.granularity
            nothing = prompts.points.new_full((len(prompts),), torch.nan)
            tokens.append(self.granularity_token(nothing if asked is None else asked))
        elif prompts.granularity is not None:
            raise ValueError("this model takes no granularity: it was made with granularity=False")
        if self.text_token:
            tokens.append(self.text_token(prompts.text, len(prompts)))
        elif prompts.text is not None:
            raise ValueError("this model takes no text: it was made with text_dim=0")
        return torch.cat(tokens, 1)


def build_promptable(shape: PromptableConfig, weights: str | None = None) -> PromptableModel:
    """A model to train: decoder at random (seed torch first), backbone with its self-supervised weights.

    Raises:
        WeightsUnavailable: the backbone's weights cannot be had; `weights` may name a file or URL.
    """
    model = PromptableModel(shape)
    load_encoder_weights(model.pyramid, shape.backbone, weights)
    return model


def for_inputs_of(model: PromptableModel, side: int) -> PromptableModel:
    """The same weights for inputs of another side; the image encoder is shared.

    A network that was trained on small inputs may find finer masks in somewhat larger ones (the idea of Touvron et al.
    2019, "Fixing the train-test resolution discrepancy").

    Raises:
        ValueError: a side that does not divide by `MULTIPLE`.
    """
    other = PromptableModel(replace(model.shape, image_size=side), model.image_encoder)
    other.load_state_dict(model.state_dict())
    return other.to(model.device).train(model.training)


def save_promptable(model: PromptableModel, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and shape as one safetensors file; float16 halves it."""
    save_network(model, _KIND, asdict(model.shape), path, dtype)


def load_promptable(path: str | Path, device: str | torch.device = "cpu") -> PromptableModel:
    """The model of `save_promptable`, in float32, ready to predict.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
    """
    return load_network(
        path, _KIND, "a promptable model", lambda shape: PromptableModel(PromptableConfig(**shape)), device
    )


def sam_config(shape: PromptableConfig) -> SamConfig:
    """transformers' configuration of the same prompt encoder and mask decoder.

    Raises:
        ValueError: sides or widths that do not divide as they must.
    """
    if shape.image_size % MULTIPLE or shape.dim % 64:
        raise ValueError(f"image_size must divide by {MULTIPLE} and dim by 64, got {shape.image_size} and {shape.dim}")
    return SamConfig(
        vision_config={"num_pos_feats": shape.dim // 2},
        prompt_encoder_config={"hidden_size": shape.dim, "image_size": shape.image_size, "patch_size": STRIDE},
        mask_decoder_config={
            "hidden_size": shape.dim,
            "mlp_dim": shape.feedforward,
            "num_hidden_layers": shape.decoder_layers,
            "num_multimask_outputs": shape.outputs,
            "iou_head_hidden_dim": shape.dim,
        },
    )
