"""MaskCut's binary graph over tokens, one bit an edge (spec 2.2 step 2, speed.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ops.kernels import kernel

_BLOCK_ROWS = 480
_GROUPS_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class BinaryAffinity:
    """Symmetric weights A over n tokens: 1 where the cosine exceeds tau, eps elsewhere, so A = eps 11' + (1 - eps) B.

    bits: (groups, n) uint8, bit k of `bits[g, j]` is B[8 g + k, j]; 8 groups >= n, groups a multiple of 4.
    eps: weight of a pair that is not similar.
    alive: (n,) bool, tokens that are in the graph at all.
    """

    bits: np.ndarray
    eps: float
    alive: np.ndarray

    @classmethod
    def from_tokens(cls, tokens: np.ndarray, tau: float, eps: float) -> BinaryAffinity:
        """Graph of unit tokens (n, C) float32; only half of the cosines is computed, and none is kept."""
        n = len(tokens)
        bits = np.zeros((-(-n // (8 * _GROUPS_AT_ONCE)) * _GROUPS_AT_ONCE, n), np.uint8)
        features = torch.from_numpy(np.ascontiguousarray(tokens, np.float32))
        buffer = torch.empty(min(_BLOCK_ROWS, n) * n)
        for start in range(0, n, _BLOCK_ROWS):
            rows = features[start : start + _BLOCK_ROWS]
            cosines = buffer[: len(rows) * (n - start)].view(len(rows), n - start)
            torch.mm(rows, features[start:].T, out=cosines)
            _pack_rows(cosines.numpy(), np.float32(tau), start, bits)
        _mirror(bits)
        return cls(bits, eps, np.ones(n, bool))

    def __len__(self) -> int:
        return self.bits.shape[1]

    def degrees(self) -> np.ndarray:
        """Row sums of A, (n,) float64; 0 for tokens that are not in the graph."""
        similar = np.bitwise_count(self.bits).sum(axis=0, dtype=np.int64)
        degrees = self.eps * np.count_nonzero(self.alive) + (1 - self.eps) * similar
        return np.where(self.alive, degrees, 0.0)

    def multiply(self, vector: np.ndarray) -> np.ndarray:
        """A times a (n,) float64 vector, (n,) float64; entries outside the graph count as 0."""
        padded = np.zeros(8 * len(self.bits))
        padded[: len(self)] = np.where(self.alive, vector, 0.0)
        product = _multiply_bits(self.bits, padded)
        product *= 1 - self.eps
        product += self.eps * padded.sum()
        return np.where(self.alive, product, 0.0)

    def isolate(self, tokens: np.ndarray) -> BinaryAffinity:
        """The graph with all edges of these (n,) bool tokens taken away, their own included: eps is left (spec 2.2)."""
        kept = ~np.asarray(tokens, bool)
        rows = np.zeros(len(self.bits), np.uint8)
        packed = np.packbits(kept, bitorder="little")
        rows[: len(packed)] = packed
        return replace(self, bits=(self.bits & rows[:, None]) * kept.astype(np.uint8))

    def remove(self, tokens: np.ndarray) -> BinaryAffinity:
        """The graph without these (n,) bool tokens (spec 2.3, 1b); the others keep their numbers."""
        return replace(self.isolate(tokens), alive=self.alive & ~np.asarray(tokens, bool))

    def dense(self) -> np.ndarray:
        """A as (n, n) float64; rows and columns outside the graph are 0."""
        edges = np.unpackbits(self.bits, axis=0, bitorder="little")[: len(self)].astype(np.float64)
        weights = self.eps + (1 - self.eps) * edges
        return weights * self.alive * self.alive[:, None]


@kernel
def _pack_rows(cosines: np.ndarray, tau: float, start: int, bits: np.ndarray) -> None:
    """Set the bits of rows `start`… from their cosines with tokens `start`…; `start` is a multiple of 8."""
    rows, columns = cosines.shape
    for first in range(0, rows, 8):
        eight = cosines[first : first + 8]
        if len(eight) < 8:
            eight = np.full((8, columns), -np.inf, cosines.dtype)
            eight[: rows - first] = cosines[first:]
        _pack_eight(eight, tau, bits[(start + first) // 8, start:])


@kernel
def _pack_eight(rows: np.ndarray, tau: float, packed: np.ndarray) -> None:
    """Bit k of `packed[j]` is `rows[k, j] > tau`; written out, since only so does the compiler vectorise it."""
    a, b, c, d, e, f, g, h = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]
    for j in range(rows.shape[1]):
        low = (a[j] > tau) | ((b[j] > tau) << 1) | ((c[j] > tau) << 2) | ((d[j] > tau) << 3)
        high = (e[j] > tau) | ((f[j] > tau) << 1) | ((g[j] > tau) << 2) | ((h[j] > tau) << 3)
        packed[j] = np.uint8(low | (high << 4))


@kernel
def _mirror(bits: np.ndarray) -> None:
    """Copy every 8 x 8 tile above the diagonal, transposed, below it."""
    n = bits.shape[1]
    for g in range((n + 7) // 8):
        for first in range(8 * (g + 1), n, 8):
            tile = np.uint64(0)
            for column in range(min(8, n - first)):
                tile |= np.uint64(bits[g, first + column]) << np.uint64(8 * column)
            tile = _transpose_tile(tile)
            for row in range(8):
                bits[first // 8, 8 * g + row] = np.uint8((tile >> np.uint64(8 * row)) & np.uint64(0xFF))


@kernel
def _transpose_tile(tile: np.uint64) -> np.uint64:
    """Transpose an 8 x 8 matrix of bits, row r in byte r (Warren, Hacker's Delight, 7-3)."""
    swap = (tile ^ (tile >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    tile = tile ^ swap ^ (swap << np.uint64(7))
    swap = (tile ^ (tile >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    tile = tile ^ swap ^ (swap << np.uint64(14))
    swap = (tile ^ (tile >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return tile ^ swap ^ (swap << np.uint64(28))


@kernel
def _multiply_bits(bits: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """B times `vector` by the method of four Russians: all 256 sums of eight entries in a table, one look-up a byte."""
    groups, n = bits.shape
    product = np.zeros(n)
    sums = np.zeros((_GROUPS_AT_ONCE, 256))
    for first in range(0, groups, _GROUPS_AT_ONCE):
        for g in range(_GROUPS_AT_ONCE):
            for k in range(8):
                entry = vector[8 * (first + g) + k]
                for low in range(1 << k):
                    sums[g, (1 << k) + low] = sums[g, low] + entry
        for j in range(n):
            product[j] += (sums[0, bits[first, j]] + sums[1, bits[first + 1, j]]) + (
                sums[2, bits[first + 2, j]] + sums[3, bits[first + 3, j]]
            )
    return product
