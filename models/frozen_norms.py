"""Batch norms that are not trained, folded into the convolutions before them.

A frozen norm multiplies each channel by a number and adds another (spec 4.1: norm unset is FrozenBN). The convolution
before it does both with its own weights and a bias, so that no map is read and written once more, nor kept for the
backward pass.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops.misc import FrozenBatchNorm2d


class FoldedNorm(FrozenBatchNorm2d):
    """Holds the numbers of a frozen norm under their usual names; `ConvolutionWithNorm` applies them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def scale_and_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What each channel is multiplied by, and what is added, (C,) each."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale


class ConvolutionWithNorm(nn.Module):
    """A plain convolution without bias that computes its norm too.

    Args:
        convolution: whose weights it takes over.
        norm: stays where it is in the network, and so do the names of its numbers.
    """

    def __init__(self, convolution: nn.Conv2d, norm: FoldedNorm) -> None:
        super().__init__()
        self.weight = convolution.weight
        self._norm = (norm,)  # in a tuple, so that it is not a second module of this one
        self._stride, self._padding = convolution.stride, convolution.padding
        self._dilation, self._groups = convolution.dilation, convolution.groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale, shift = self._norm[0].scale_and_shift()
        weight = self.weight * scale[:, None, None, None]
        return functional.conv2d(x, weight, shift, self._stride, self._padding, self._dilation, self._groups)


def with_folded_norms(network: nn.Module) -> nn.Module:
    """The same network with every batch norm below it frozen and folded.

    Raises:
        ValueError: a norm that does not follow a plain convolution without bias.
    """
    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    for (name_before, before), (name, norm) in zip([("", None), *leaves], leaves, strict=False):
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        if type(before) is not nn.Conv2d or before.bias is not None or before.padding_mode != "zeros":
            raise ValueError(f"{name or 'the norm'} does not follow a plain convolution without bias")
        held = FoldedNorm(norm.num_features, norm.eps)
        network.set_submodule(name_before, ConvolutionWithNorm(before, held))
        network.set_submodule(name, held)
    return network
