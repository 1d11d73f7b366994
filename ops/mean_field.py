"""Element-wise parts of a mean-field update, in vector registers."""

from __future__ import annotations

import numpy as np

from ops.kernels import kernel

_EXPONENT_LIMIT = np.float32(80)


@kernel
def exponentials(values: np.ndarray) -> None:
    """Replace (k, c) float32 values by e^value, clipped to e^±80, to 1e-4 relative."""
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            exponent = min(max(values[row, column], -_EXPONENT_LIMIT), _EXPONENT_LIMIT)
            part = exponent * np.float32(1 / 1024)
            series = np.float32(1 / 2) + part * (np.float32(1 / 6) + part * np.float32(1 / 24))
            power = np.float32(1) + part * (np.float32(1) + part * series)
            for _ in range(10):
                power *= power
            values[row, column] = power


@kernel
def set_sigmoids(bias: np.ndarray, gain: float, messages: np.ndarray, foreground: np.ndarray) -> bool:
    """Set foreground = 1 / (1 + e^-(bias + gain · messages)), all (k, c) float32; messages are used up.

    Returns:
        whether any value crossed one half.
    """
    factor = np.float32(gain)
    for row in range(bias.shape[0]):
        for column in range(bias.shape[1]):
            messages[row, column] = -bias[row, column] - factor * messages[row, column]
    exponentials(messages)
    crossed = 0
    half = np.float32(0.5)
    for row in range(bias.shape[0]):
        for column in range(bias.shape[1]):
            probability = np.float32(1) / (np.float32(1) + messages[row, column])
            crossed += (probability > half) != (foreground[row, column] > half)
            foreground[row, column] = probability
    return crossed > 0


@kernel
def set_exponentials(bias: np.ndarray, gain: float, messages: np.ndarray, values: np.ndarray) -> None:
    """Set values = e^(bias + gain · messages), all (k, c) float32."""
    factor = np.float32(gain)
    for row in range(bias.shape[0]):
        for column in range(bias.shape[1]):
            values[row, column] = bias[row, column] + factor * messages[row, column]
    exponentials(values)


@kernel
def add_to_totals(points: np.ndarray, values: np.ndarray, totals: np.ndarray) -> None:
    """Add the sum over (k, c) values' columns to the totals (n,) of their points (k,)."""
    for row in range(len(points)):
        total = np.float32(0)
        for column in range(values.shape[1]):
            total += values[row, column]
        totals[points[row]] += total


@kernel
def divide_by_totals(points: np.ndarray, totals: np.ndarray, values: np.ndarray) -> None:
    """Divide (k, c) values by the totals (n,) of their points (k,)."""
    for row in range(len(points)):
        share = np.float32(1) / totals[points[row]]
        for column in range(values.shape[1]):
            values[row, column] *= share


@kernel
def keep_largest(
    points: np.ndarray, values: np.ndarray, labels: np.ndarray, largest: np.ndarray, label_of: np.ndarray
) -> None:
    """Where a value (k, c) exceeds its point's largest (n,) so far, make it that and its column's label the point's.

    Shapes: labels (c,), label_of (n,) int32.
    """
    for row in range(len(points)):
        point = points[row]
        for column in range(len(labels)):
            if values[row, column] > largest[point]:
                largest[point] = values[row, column]
                label_of[point] = labels[column]
