"""The pixel decoder in parts against transformers' own, all tokens at once."""

import pytest
import torch
from transformers.models.mask2former.modeling_mask2former import Mask2FormerPixelDecoder

from models.deformable_attention import LeanPixelDecoder
from models.whole_image import mask2former_config
from models.whole_image_config import WholeImageConfig

SHAPE = WholeImageConfig(backbone="augnet_resnet50", encoder_layers=2, decoder_layers=1, dim=32, feedforward=32)
CHANNELS = (8, 12, 16, 20)


@pytest.mark.parametrize("size", [(96, 64), (512, 672)], ids=["one part", "two parts"])
@pytest.mark.parametrize("with_gradient", [False, True])
def test_features_are_those_of_transformers(size: tuple[int, int], with_gradient: bool) -> None:
    torch.manual_seed(0)
    stock = Mask2FormerPixelDecoder(mask2former_config(SHAPE), feature_channels=CHANNELS).eval()
    torch.nn.init.normal_(stock.level_embed)  # left uninitialised by its constructor
    ours = LeanPixelDecoder(mask2former_config(SHAPE), CHANNELS).eval()
    ours.load_state_dict(stock.state_dict())
    strides = (4, 8, 16, 32)
    maps = [torch.randn(2, c, size[0] // s, size[1] // s) for c, s in zip(CHANNELS, strides, strict=True)]
    with torch.set_grad_enabled(with_gradient):
        mine, theirs = (decoder(maps, output_hidden_states=False) for decoder in (ours, stock))
    torch.testing.assert_close(mine.mask_features, theirs.mask_features, atol=1e-5, rtol=1e-5)
    for scale, expected in zip(mine.multi_scale_features, theirs.multi_scale_features, strict=True):
        torch.testing.assert_close(scale, expected, atol=1e-5, rtol=1e-5)
