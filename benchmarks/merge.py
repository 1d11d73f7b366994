"""The heap merge against the plain algorithm that it replaces (spec 3.1): `python -m benchmarks.merge`.

Bar: at least 20 times as fast at 32 x 32 tokens, identical partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from benchmarks.machine import alternate, describe_machine, median_ratio
from ops.merge import merge_levels

BAR = 20
BAR_SIDE = 32
SIDES = (28, 32, 60)
THETAS = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
CHANNELS = 768


class PlainMerge:
    """Spec 3.1 as it stands there: a dictionary of similarities, searched from end to end for its first maximum."""

    def __init__(self, tokens: np.ndarray, dtype: type = np.float32) -> None:
        self.shape = tokens.shape[:2]
        vectors: np.ndarray = tokens.reshape(-1, tokens.shape[-1]).astype(dtype)
        self.sums = dict(enumerate(vectors))
        self.norms = {cluster: _norm(vector) for cluster, vector in self.sums.items()}
        self.members: dict[int, set[int]] = {cluster: {cluster} for cluster in self.sums}
        self.neighbours = {cluster: self._grid_neighbours(cluster) for cluster in self.sums}
        self.similarity = {(i, j): self._cosine(i, j) for i in self.sums for j in sorted(self.neighbours[i]) if i < j}
        self.born = len(self.sums)

    def levels(self, thetas: Sequence[float]) -> np.ndarray:
        """Label maps (levels, h, w), clusters numbered by their first token."""
        return np.stack([self._merge_down_to(theta) for theta in np.asarray(thetas, np.float32)])

    def _merge_down_to(self, theta: float) -> np.ndarray:
        while self.similarity:
            pair = max(self.similarity, key=self.similarity.__getitem__)
            if self.similarity[pair] < theta:
                break
            self._join(*pair)
        labels = np.empty(self.shape[0] * self.shape[1], np.int32)
        for number, members in enumerate(sorted(self.members.values(), key=min)):
            labels[list(members)] = number
        return labels.reshape(self.shape)

    def _join(self, i: int, j: int) -> None:
        new = self.born
        self.born += 1
        self.sums[new] = self.sums.pop(i) + self.sums.pop(j)
        self.norms[new] = _norm(self.sums[new])
        self.members[new] = self.members.pop(i) | self.members.pop(j)
        for old in (i, j):
            for neighbour in self.neighbours[old]:
                self.similarity.pop((min(old, neighbour), max(old, neighbour)), None)
                self.neighbours[neighbour].discard(old)
        self.neighbours[new] = (self.neighbours.pop(i) | self.neighbours.pop(j)) - {i, j}
        for neighbour in sorted(self.neighbours[new]):
            self.neighbours[neighbour].add(new)
            self.similarity[neighbour, new] = self._cosine(neighbour, new)

    def _grid_neighbours(self, token: int) -> set[int]:
        (h, w), (y, x) = self.shape, divmod(token, self.shape[1])
        around = ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x))
        return {row * w + column for row, column in around if 0 <= row < h and 0 <= column < w}

    def _cosine(self, i: int, j: int) -> np.float32:
        a, b = self.sums[i], self.sums[j]
        if a.dtype == np.float16:
            a, b = a.astype(np.float32), b.astype(np.float32)
        return (a @ b) / (self.norms[i] * self.norms[j])


def _norm(vector: np.ndarray) -> np.float32:
    vector = vector.astype(np.float32, copy=False)
    return max(np.sqrt(vector @ vector), np.float32(1e-12))


def synthetic_tokens(seed: int, side: int, noise: float = 1.0) -> np.ndarray:
    """A (side, side, CHANNELS) grid of a dozen regions with a common direction each, and noise."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(0, side, (12, 2))
    y, x = np.mgrid[:side, :side]
    region = np.argmin([(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in centres], axis=0)
    directions = generator.normal(size=(12, CHANNELS))
    return (directions[region] + noise * generator.normal(size=(side, side, CHANNELS))).astype(np.float32)


def compare(side: int, rounds: int = 5) -> tuple[float, bool]:
    """The ratio of both sides' times and whether all partitions agree; prints them."""
    tokens = [synthetic_tokens(seed, side, noise=0.5 + seed / 2) for seed in range(5)]
    equal = sum(np.array_equal(merge_levels(t, THETAS), PlainMerge(t).levels(THETAS)) for t in tokens)
    timed = tokens[2]
    plain, heap = alternate(
        lambda: PlainMerge(timed).levels(THETAS), lambda: merge_levels(timed, THETAS), rounds=rounds
    )
    ratio = median_ratio(plain, heap)
    print(
        f"{side:3d} x {side:<3d} plain {median(plain) * 1e3:8.1f} ms   heap {median(heap) * 1e3:7.2f} ms   "
        f"{ratio:6.1f} x   equal partitions {equal}/{len(tokens)}",
        flush=True,
    )
    return ratio, equal == len(tokens)


def main() -> None:
    print(describe_machine())
    print(f"tokens {CHANNELS}-d, thetas {THETAS}")
    merge_levels(synthetic_tokens(0, 8), THETAS)
    found = {side: compare(side) for side in SIDES}
    ratio, equal = found[BAR_SIDE]
    verdict = "pass" if ratio >= BAR and equal else "MISS"
    print(f"{ratio:.1f} x at {BAR_SIDE} x {BAR_SIDE} (bar >= {BAR}, identical partitions): {verdict}")


if __name__ == "__main__":
    main()
