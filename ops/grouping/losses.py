"""How far embeddings are from what the masks of a photo say of its pixels."""

from __future__ import annotations

import torch
from torch.nn import functional

from ops.bit_targets import BitTargets
from ops.grouping.settings import GroupingLossSettings
from ops.mask_losses import LossTerms

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def grouping_loss(
    embedding: torch.Tensor,
    targets: BitTargets,
    score: torch.Tensor,
    settings: GroupingLossSettings,
    generator: torch.Generator,
) -> LossTerms:
    """Squared differences of cosines and shared membership, of pixels anywhere and of near ones.

    Args:
        embedding: (B, D, h, w) unit vectors.
        targets: masks of the B crops. score: (T,) of these masks.
        generator: draws the pixels, on the device of all of these.
    """
    size = embedding.shape[-2], embedding.shape[-1]
    starts = targets.starts()
    far, near = [], []
    for image, own in enumerate(embedding):
        counted = score[starts[image] : starts[image] + targets.counts[image]]
        told = memberships(targets.of_image(image), targets.width, counted, size, settings.whole)
        far.append(_far(own, told, settings.pixels, generator))
        near.append(_near(own, told, settings.offsets, settings.alike))
    parts = {"far": settings.far_weight * torch.stack(far).mean()}
    parts["near"] = settings.near_weight * torch.stack(near).mean()
    return LossTerms(parts["far"] + parts["near"], {name: part.detach() for name, part in parts.items()})


def memberships(
    bits: torch.Tensor, width: int, score: torch.Tensor, size: tuple[int, int], whole: float
) -> torch.Tensor:
    """Unit vectors (M + 1, h, w): which masks hold each pixel of a grid; their products are shares of masks.

    Args:
        bits: (M, H, ceil(W / 8)) packed rows, W = `width`. score: (M,), what each mask counts.
        size: (h, w) of the grid, its cells' centres are looked up.
        whole: what the photo itself counts, as a mask that holds every pixel.
    """
    rows = _centres(bits.shape[1], size[0], bits.device)
    columns = _centres(width, size[1], bits.device)
    inside = (bits[:, rows][:, :, columns >> 3] >> (7 - (columns & 7)).to(torch.uint8)) & 1
    weighted = inside.float() * score.clamp_min(0).sqrt()[:, None, None]
    everything = torch.full((1, *size), whole**0.5, device=bits.device)
    return functional.normalize(torch.cat([weighted, everything]), dim=0)


def _centres(length: int, cells: int, device: torch.device) -> torch.Tensor:
    return ((torch.arange(cells, device=device) + 0.5) * length / cells).long()


def _far(embedding: torch.Tensor, members: torch.Tensor, pixels: int, generator: torch.Generator) -> torch.Tensor:
    """Of all pairs of `pixels` random pixels."""
    own, told = embedding.flatten(1), members.flatten(1)
    picked = torch.randint(own.shape[1], (pixels,), generator=generator, device=own.device)
    own, told = own[:, picked], told[:, picked]
    return functional.mse_loss(own.T @ own, told.T @ told)


def _near(embedding: torch.Tensor, members: torch.Tensor, offsets: tuple[int, ...], alike: float) -> torch.Tensor:
    """Of all pairs a few cells apart; those that the masks do not part count `alike` beside 1 for those they do."""
    losses = []
    for offset in offsets:
        for down, across in _DIRECTIONS:
            own, told = (_products(maps, offset * down, offset * across) for maps in (embedding, members))
            losses.append(((alike + 1 - told) * (own - told) ** 2).mean())
    return torch.stack(losses).mean()


def _products(maps: torch.Tensor, down: int, across: int) -> torch.Tensor:
    """Products of the vectors of maps (C, h, w) at places `down` and `across` apart."""
    height, width = maps.shape[1:]
    one = maps[:, : height - down, max(0, -across) : width - max(0, across)]
    other = maps[:, down:, max(0, across) : width + min(0, across)]
    return (one * other).sum(0)
