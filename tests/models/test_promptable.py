"""Our order of execution against transformers' own, SAM's own checkpoints, and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import SamConfig, SamModel

from models.image_embedding import ImageEmbedding
from models.image_encoder import SwinPyramid, build_encoder_pyramid, load_encoder_weights
from models.official_sam import as_promptable, load_official_sam
from models.prompt_decoder import Answers
from models.prompt_encoder import cell_positions, point_tokens
from models.promptable import PromptableModel, for_inputs_of, load_promptable, sam_config, save_promptable
from models.promptable_config import PromptableConfig
from models.prompts import Prompts
from models.weights import WeightsUnavailable

SIDE = 64


@pytest.fixture(scope="module")
def stock() -> SamModel:
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 32,
            "output_channels": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "num_pos_feats": 32,
            "global_attn_indexes": [0],
            "mlp_dim": 32,
        },
        prompt_encoder_config={"hidden_size": 64, "image_size": SIDE},
        mask_decoder_config={"hidden_size": 64, "mlp_dim": 64, "iou_head_hidden_dim": 64},
    )
    model = SamModel(config).eval()
    torch.nn.init.normal_(model.prompt_encoder.shared_embedding.positional_embedding)
    model.shared_image_embedding.positional_embedding = model.prompt_encoder.shared_embedding.positional_embedding
    return model


CLICKS = torch.tensor([[[10.0, 20.0], [40.0, 5.0]], [[33.0, 60.0], [1.0, 2.0]]])
LABELS = torch.tensor([[1, 0], [1, 1]])
BOXES = torch.tensor([[4.0, 6.0, 30.0, 50.0], [10.0, 10.0, 60.0, 20.0]])


@pytest.mark.parametrize(
    ("clicks", "boxes", "masked"),
    [(True, False, False), (False, True, False), (True, True, False), (True, False, True), (False, True, True)],
)
@pytest.mark.parametrize("multiple", [True, False])
def test_answers_are_those_of_transformers(
    stock: SamModel, clicks: bool, boxes: bool, masked: bool, multiple: bool
) -> None:
    pixels = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    mask = torch.randn(1, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(2)) * 3
    model = as_promptable(stock)
    prompts = Prompts.boxes(BOXES, *((CLICKS, LABELS) if clicks else ())) if boxes else Prompts.clicks(CLICKS, LABELS)
    prompts = Prompts(prompts.points, prompts.labels, mask.expand(2, -1, -1) if masked else None)
    with torch.inference_mode():
        wanted = stock(
            pixel_values=pixels,
            input_points=CLICKS[None] if clicks else None,
            input_labels=LABELS[None] if clicks else None,
            input_boxes=BOXES[None] if boxes else None,
            input_masks=mask[None] if masked else None,
            multimask_output=multiple,
        )
        embedding = model.encode(pixels)
        answers = model.answer(embedding, prompts)
        outputs = range(1, 4) if multiple else range(1)
        logits = model.draw(embedding, answers, outputs)
    torch.testing.assert_close(logits, wanted.pred_masks[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(answers.scores[:, list(outputs)], wanted.iou_scores[0], rtol=1e-4, atol=1e-5)
    assert logits.std() > 0


def test_official_checkpoint_from_a_folder(stock: SamModel, tmp_path: Path) -> None:
    stock.save_pretrained(tmp_path / "sam")
    model = load_official_sam(str(tmp_path / "sam"))
    assert (model.shape.outputs, model.shape.image_size, model.shape.granularity) == (3, SIDE, False)
    with pytest.raises(WeightsUnavailable, match="no SAM checkpoint at"):
        load_official_sam(str(tmp_path))


def small_model(**changes: object) -> PromptableModel:
    torch.manual_seed(0)
    shape = PromptableConfig(backbone="augnet_resnet50", image_size=SIDE, dim=64, feedforward=64, **changes)
    return PromptableModel(shape).eval()


def test_a_prompt_is_answered_alike_alone_and_among_others_and_saved(tmp_path: Path) -> None:
    model = small_model(text_dim=8)
    save_promptable(model, tmp_path / "model.safetensors")
    loaded = load_promptable(tmp_path / "model.safetensors")
    pixels = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    prompts = Prompts(
        torch.rand(3, 2, 2) * SIDE,
        torch.tensor([[1, -1]]).expand(3, -1),
        None,
        torch.tensor([torch.nan, 0.3, 0.9]),
        torch.full((3, 8), 0.5),
    )
    with torch.inference_mode():
        embedding = model.encode(pixels)
        assert embedding.coarse.shape == (1, 64, 4, 4)
        assert [tuple(level.shape[1:]) for level in embedding.fine] == [(16, 8, 8), (8, 16, 16)]
        together = model.draw(embedding, model.answer(embedding, prompts), range(7))
        alone = model.draw(embedding, model.answer(embedding, prompts.take(slice(1, 2))), range(7))
        again = loaded.draw(loaded.encode(pixels), loaded.answer(loaded.encode(pixels), prompts), range(7))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, again)
    assert not torch.allclose(together[0], together[1])


def test_the_same_weights_take_inputs_of_another_side() -> None:
    model = small_model()
    larger = for_inputs_of(model, 96)
    assert larger.shape == replace(model.shape, image_size=96)
    assert not larger.training
    weights = larger.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    with torch.inference_mode():
        embedding = larger.encode(torch.randn(1, 3, 96, 96))
        prompts = Prompts(torch.full((1, 1, 2), 95.0), torch.ones(1, 1, dtype=torch.long))
        assert larger.draw(embedding, larger.answer(embedding, prompts), range(7)).shape == (1, 7, 24, 24)
    with pytest.raises(ValueError, match="must divide by 32"):
        for_inputs_of(model, 100)


def test_masks_are_those_of_up_convolutions() -> None:
    model = small_model(drawn_prompts=False)
    decoder = model.mask_decoder
    embedding = ImageEmbedding(torch.randn(1, 64, 3, 5), (torch.randn(1, 16, 6, 10), torch.randn(1, 8, 12, 20)))
    answers = Answers(torch.randn(2, 7, 64), torch.randn(2, 15, 64), torch.zeros(2, 7))
    with torch.inference_mode():
        upscaled = decoder.upscale_conv1(answers.keys.mT.unflatten(2, (3, 5))) + embedding.fine[0]
        upscaled = decoder.activation(decoder.upscale_layer_norm(upscaled))
        upscaled = decoder.activation(decoder.upscale_conv2(upscaled) + embedding.fine[1])
        weights = torch.stack([decoder.output_hypernetworks_mlps[k](answers.tokens[:, k]) for k in (1, 4)], 1)
        wanted = torch.einsum("nkc,nchw->nkhw", weights, upscaled)
        torch.testing.assert_close(model.draw(embedding, answers, (1, 4)), wanted, rtol=1e-4, atol=1e-5)
        assert model.draw(embedding, answers.take(slice(0, 0)), (1, 4)).shape == (0, 2, 12, 20)


def test_granularity_and_text_change_the_answer_and_nan_asks_for_nothing() -> None:
    model = small_model(text_dim=8)
    clicks = Prompts.clicks(torch.tensor([[[20.0, 30.0]]]))
    embedding = ImageEmbedding(torch.randn(1, 64, 4, 4), (torch.randn(1, 16, 8, 8), torch.randn(1, 8, 16, 16)))

    def mask(**asked: torch.Tensor) -> torch.Tensor:
        prompts = Prompts(clicks.points, clicks.labels, **asked)
        return model.draw(embedding, model.answer(embedding, prompts), [0])

    with torch.inference_mode():
        plain = mask()
        torch.testing.assert_close(plain, mask(granularity=torch.tensor([torch.nan])))
        torch.testing.assert_close(plain, mask(text=torch.full((1, 8), torch.nan)))
        assert not torch.allclose(plain, mask(granularity=torch.tensor([0.2])))
        assert not torch.allclose(plain, mask(text=torch.ones(1, 8)))


def test_places_follow_their_weights_and_can_be_trained_with() -> None:
    model = small_model()
    embedding = ImageEmbedding(torch.randn(1, 64, 4, 4), (torch.randn(1, 16, 8, 8), torch.randn(1, 8, 16, 16)))
    clicks = Prompts.clicks(torch.tensor([[[20.0, 30.0]]]))
    with torch.inference_mode():
        before = model.answer(embedding, clicks).scores
        torch.testing.assert_close(model.answer(embedding, clicks).scores, before)
    model.answer(embedding, clicks).scores.sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    state["prompt_encoder.shared_embedding.positional_embedding"] *= 2
    model.load_state_dict(state)
    fresh = small_model()
    fresh.load_state_dict(state)
    with torch.inference_mode():
        torch.testing.assert_close(model.answer(embedding, clicks).scores, fresh.answer(embedding, clicks).scores)


def test_places_stay_exact_where_the_rest_computes_in_halves() -> None:
    encoder = small_model().prompt_encoder
    clicks = Prompts.clicks(torch.rand(5, 1, 2) * SIDE)
    exact = point_tokens(encoder, clicks), cell_positions(encoder, (4, 4))
    with torch.autocast("cpu", torch.bfloat16):
        halves = point_tokens(encoder, clicks), cell_positions(encoder, (4, 4))
    for one, other in zip(exact, halves, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_place_encodings_are_of_unit_variance_and_not_trained() -> None:
    places = small_model().prompt_encoder.shared_embedding.positional_embedding
    assert not places.requires_grad
    assert 0.7 < float(places.std()) < 1.3


@pytest.mark.parametrize(
    ("call", "expected", "message"),
    [
        (lambda: small_model().encode(torch.zeros(1, 3, 32, 64)), ValueError, "expected, got"),
        (
            lambda: small_model(granularity=False).answer(
                ImageEmbedding(torch.zeros(1, 64, 4, 4)),
                Prompts(torch.zeros(1, 1, 2), torch.ones(1, 1).long(), granularity=torch.ones(1)),
            ),
            ValueError,
            "takes no granularity",
        ),
        (lambda: sam_config(PromptableConfig(image_size=100)), ValueError, "must divide by 32"),
        (lambda: build_encoder_pyramid("resnet18"), ValueError, "unknown image encoder"),
        (
            lambda: load_encoder_weights(SwinPyramid(), "swin_tiny_patch4_window7_224"),
            WeightsUnavailable,
            "moby_swin_t",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, expected: type[Exception], message: str) -> None:
    with pytest.raises(expected, match=message):
        call()


def test_swin_has_four_maps_and_takes_the_names_of_its_authors() -> None:
    pyramid = SwinPyramid()
    maps = pyramid(torch.zeros(1, 3, 64, 64))
    assert [tuple(level.shape[1:]) for level in maps] == [(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]
    theirs = {}
    for name, value in pyramid.body.state_dict().items():
        stage, _, rest = name.removeprefix("layers_").partition(".")
        if rest.startswith("downsample."):
            stage = str(int(stage) - 1)
        theirs[f"encoder.layers.{stage}.{rest}" if name.startswith("layers_") else f"encoder.{name}"] = value + 1
    pyramid.load(theirs)
    torch.testing.assert_close(
        pyramid.body.state_dict()["layers_1.downsample.norm.weight"], theirs["encoder.layers.0.downsample.norm.weight"]
    )
    with pytest.raises(RuntimeError, match="missing"):
        pyramid.load({"encoder.patch_embed.proj.weight": torch.zeros(1)})


@pytest.mark.parametrize("content", ["absent", "text", "plain"])
def test_a_file_that_is_no_promptable_model(content: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    if content == "text":
        path.write_text("not a model")
    if content == "plain":
        save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsUnavailable, match="a promptable model"):
        load_promptable(path)
