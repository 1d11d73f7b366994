"""Masks at the photo's size in one step, against torch's two interpolations."""

import numpy as np
import pytest
import torch

from ops.promptable.frame import Frame
from ops.promptable.mask_kernels import drawn, drawn_dense
from tests.ops.promptable.tiny_promptable import photo


@pytest.mark.parametrize("size", [(64, 64), (50, 211), (333, 120), (37, 20), (300, 451), (8, 200)])
@pytest.mark.parametrize("offset", [1.0, 0.3])
def test_masks_and_stability_are_those_of_two_interpolations(size: tuple[int, int], offset: float) -> None:
    frame = Frame(size, 64)
    generator = torch.Generator().manual_seed(sum(size))
    logits = torch.nn.functional.interpolate(torch.randn(5, 1, 6, 6, generator=generator) * 3, 16, mode="bicubic")[:, 0]
    logits[3] = -9  # an empty mask
    logits[4] = 9  # the whole frame
    square = torch.nn.functional.interpolate(logits[:, None], (64, 64), mode="bilinear")
    height, width = frame.input_size
    full = torch.nn.functional.interpolate(square[..., :height, :width], size, mode="bilinear")[:, 0]
    found = drawn(logits, frame, offset)
    margin = full.abs() > 1e-4
    for index in range(5):
        dense = torch.from_numpy(found.masks.dense(index))
        assert (dense == (full[index] > 0))[margin[index]].all()
    dense = np.stack([found.masks.dense(index) for index in range(5)])
    np.testing.assert_array_equal(drawn_dense(logits, frame), dense)
    wanted = (full > offset).sum((1, 2)) / (full > -offset).sum((1, 2))
    np.testing.assert_allclose(found.stability, wanted.numpy(), atol=0.02)
    assert np.isnan(found.stability[3])
    assert found.masks.areas()[4] == size[0] * size[1]


def test_pixels_are_resized_and_padded_to_the_right_and_below() -> None:
    frame = Frame((60, 90), 64)
    pixels = frame.pixels(photo())
    assert frame.input_size == (43, 64)
    assert pixels.shape == (1, 3, 64, 64)
    assert (pixels[:, :, 43:] == 0).all()
    assert pixels[:, :, :43].abs().min() >= 0
    assert pixels[:, :, 42].abs().sum() > 0


def test_coordinates_scale_by_the_rounded_sides() -> None:
    frame = Frame((60, 90), 64)
    np.testing.assert_allclose(frame.apply_coords(np.array([[90, 60], [45, 30]])), [[64, 43], [32, 21.5]])
    np.testing.assert_allclose(frame.apply_boxes(np.array([0, 0, 90, 60])), [0, 0, 64, 43])
    coords = torch.tensor([[[9.0, 6.0]]])
    torch.testing.assert_close(frame.apply_coords_torch(coords, (60, 90)), torch.tensor([[[6.4, 4.3]]]))
    torch.testing.assert_close(
        frame.apply_boxes_torch(torch.tensor([[9.0, 6.0, 90.0, 60.0]])), torch.tensor([[6.4, 4.3, 64, 43]])
    )
