"""The whole-image model: its numbers are those of transformers' own loop, and it survives the disk."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from models.feature_pyramid import (
    STRIDES,
    FeaturePyramid,
    ResNetPyramid,
    VitPyramid,
    build_pyramid,
)
from models.query_decoder import decode, learned_queries
from models.weights import WeightsUnavailable
from models.whole_image import (
    WholeImageConfig,
    WholeImageModel,
    load_whole_image,
    save_whole_image,
)

TINY = WholeImageConfig(
    backbone="augnet_resnet50", queries=7, encoder_layers=1, decoder_layers=4, dim=64, feedforward=32
)


def tiny_model(pyramid: FeaturePyramid | None = None, seed: int = 0) -> WholeImageModel:
    torch.manual_seed(seed)
    return WholeImageModel(TINY, pyramid or ResNetPyramid("resnet10t"))


def test_decoder_equals_the_stock_loop() -> None:
    """In float64, since a pixel whose logit rounds to the other side of zero moves an attention mask."""
    model = tiny_model().eval().double()
    with torch.no_grad():
        decoded = model.pixel_decoder(model.pyramid(torch.randn(2, 3, 96, 64, dtype=torch.float64)))
        scales, mask_features = decoded.multi_scale_features, decoded.mask_features
        ours = decode(model.query_decoder, scales, mask_features, learned_queries(model.query_decoder, 2))
        stock = model.query_decoder(scales, mask_features, output_hidden_states=True)
    assert len(ours) == TINY.decoder_layers + 1
    for output, (states, embeddings) in enumerate(ours):
        masks = torch.einsum("bqd,bdhw->bqhw", embeddings, mask_features)
        torch.testing.assert_close(masks, stock.masks_queries_logits[output], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(
            states, stock.intermediate_hidden_states[output].transpose(0, 1), atol=1e-6, rtol=1e-6
        )


def test_gradients_equal_those_of_the_stock_loop() -> None:
    model = tiny_model().train().double()
    pixels = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    weights = torch.randn(1, TINY.queries, 16, 16)
    (model(pixels).mask_logits(-1) * weights).sum().backward()
    ours = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    model.zero_grad(set_to_none=True)
    decoded = model.pixel_decoder(model.pyramid(pixels))
    stock = model.query_decoder(decoded.multi_scale_features, decoded.mask_features, output_hidden_states=True)
    (stock.masks_queries_logits[-1] * weights).sum().backward()
    for name, value in model.named_parameters():
        if value.grad is not None and value.grad.abs().max() > 1e-3:
            error = (ours[name] - value.grad).norm() / value.grad.norm()
            assert error < 1e-3, f"{name}: {error}"


def test_each_image_is_predicted_as_if_it_were_alone() -> None:
    model = tiny_model().eval()
    pixels = torch.randn(3, 3, 64, 96)
    with torch.no_grad():
        together = model(pixels).mask_logits()
        for index in range(3):
            alone = model(pixels[index : index + 1]).mask_logits()[0]
            torch.testing.assert_close(together[index], alone, atol=1e-3, rtol=1e-3)


def test_sides_must_divide_by_32() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        tiny_model()(torch.zeros(1, 3, 64, 80))


@pytest.mark.parametrize(
    "pyramid",
    [
        pytest.param(lambda: ResNetPyramid("resnet10t"), id="resnet"),
        pytest.param(lambda: VitPyramid("vit_tiny_patch16_224"), id="vit16"),
        pytest.param(lambda: VitPyramid("vit_tiny_patch16_224", frozen_stages=3), id="vit16-frozen"),
    ],
)
def test_pyramid_has_its_strides_and_trains(pyramid) -> None:
    net = pyramid()
    maps = net(torch.randn(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 64 // stride, 96 // stride) for channels, stride in zip(net.channels, STRIDES, strict=True)
    ]
    functional.mse_loss(maps[0], torch.zeros_like(maps[0])).backward()
    assert any(value.grad is not None for value in net.parameters())


@pytest.mark.parametrize(("frozen", "names"), [(0, set()), (1, {"conv1"}), (3, {"conv1", "layer1", "layer2"})])
def test_frozen_stages_of_a_resnet(frozen: int, names: set[str]) -> None:
    net = build_pyramid("augnet_resnet50", frozen)
    still = {name.split(".")[1] for name, value in net.named_parameters() if not value.requires_grad}
    assert still == names


def test_unknown_backbone() -> None:
    with pytest.raises(ValueError, match="unknown backbone"):
        build_pyramid("resnet51")


def test_pretrained_weights_must_fit() -> None:
    with pytest.raises(RuntimeError, match="missing"):
        ResNetPyramid("resnet10t").load({"conv1.weight": torch.zeros(1)})


@pytest.fixture(scope="module")
def model() -> WholeImageModel:
    torch.manual_seed(0)
    return WholeImageModel(TINY).eval()


class TestFile:
    def test_comes_back_as_it_was(self, model: WholeImageModel, tmp_path: Path) -> None:
        save_whole_image(model, tmp_path / "model.safetensors")
        loaded = load_whole_image(tmp_path / "model.safetensors")
        assert loaded.shape == model.shape
        assert not loaded.training
        pixels = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(loaded(pixels).mask_logits(), model(pixels).mask_logits())

    def test_half_precision_halves_the_file(self, model: WholeImageModel, tmp_path: Path) -> None:
        save_whole_image(model, tmp_path / "full.safetensors")
        save_whole_image(model, tmp_path / "half.safetensors", torch.float16)
        full, half = ((tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half"))
        assert half < 0.52 * full
        assert next(load_whole_image(tmp_path / "half.safetensors").parameters()).dtype == torch.float32

    @pytest.mark.parametrize(
        "content", [None, b"not a safetensors file", b"cut"], ids=["missing", "other bytes", "truncated"]
    )
    def test_bad_files_are_named(self, model: WholeImageModel, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "model.safetensors"
        if content == b"cut":
            save_whole_image(model, path, torch.float16)
            path.write_bytes(path.read_bytes()[:-1000])
        elif content is not None:
            path.write_bytes(content)
        with pytest.raises(WeightsUnavailable, match="not a whole-image model"):
            load_whole_image(path)
