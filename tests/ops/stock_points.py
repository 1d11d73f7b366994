"""The random points that transformers' Mask2FormerLoss draws, in its order, for losses that must be equal."""

from collections.abc import Sequence

import torch

from ops.mask_losses import PointSampler
from ops.training_settings import LossSettings


class StockPoints(PointSampler):
    """Replays `torch.manual_seed(seed)` followed by the stock loss: its last output comes first, then the others.

    Args:
        pairs: matched masks of each image, min(queries, targets).
    """

    def __init__(self, settings: LossSettings, outputs: int, pairs: Sequence[int], seed: int) -> None:
        super().__init__(settings, torch.Generator().manual_seed(seed))
        self._matching, self._candidates, self._others = {}, {}, {}
        for output in [outputs - 1, *range(outputs - 1)]:
            self._matching[output] = torch.cat([self._draw(1, self.points) for _ in pairs])
            self._candidates[output] = self._draw(sum(pairs), self.candidates_count)
            self._others[output] = self._draw(sum(pairs), self.others_count)

    def matching(self, outputs: int, images: int) -> torch.Tensor:
        return torch.stack([self._matching[output] for output in range(outputs)])

    def candidates(self, output: int, masks: int) -> torch.Tensor:
        return self._candidates[output]

    def others(self, output: int, masks: int) -> torch.Tensor:
        return self._others[output]
