"""Largest one-to-one matchings of boundary pixels; SciPy's takes seconds for what is milliseconds here."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel


@kernel
def largest_matching(starts: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """A largest matching by shortest augmenting paths, after a greedy one.

    Args:
        starts: (n + 1,) int64, where the neighbours of each of n nodes begin in `others`.
        others: (edges,) int64, indices of nodes of the other side.
        count: nodes of the other side.

    Returns:
        (n,) int64, the partner of each node or -1.
    """
    nodes = len(starts) - 1
    partner = np.full(nodes, -1, np.int64)
    taken = np.full(count, -1, np.int64)
    for node in range(nodes):
        for edge in range(starts[node], starts[node + 1]):
            if taken[others[edge]] < 0:
                partner[node], taken[others[edge]] = others[edge], node
                break
    reached_from = np.empty(count, np.int64)
    seen = np.full(count, -1, np.int64)
    queue = np.empty(nodes, np.int64)
    for root in range(nodes):
        if partner[root] >= 0:
            continue
        queue[0] = root
        head, tail, free = 0, 1, -1
        while head < tail and free < 0:
            node = queue[head]
            head += 1
            for edge in range(starts[node], starts[node + 1]):
                other = others[edge]
                if seen[other] == root:
                    continue
                seen[other] = root
                reached_from[other] = node
                if taken[other] < 0:
                    free = other
                    break
                queue[tail] = taken[other]
                tail += 1
        while free >= 0:
            node = reached_from[free]
            before = partner[node]
            partner[node], taken[free] = free, node
            free = before if node != root else -1
    return partner
