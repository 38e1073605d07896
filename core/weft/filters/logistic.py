"""Logistic regression on sparse rows, by L-BFGS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from weft.filters.features import BUCKETS, Rows

_STEPS = 100


def fit_logistic(rows: Rows, labels: npt.NDArray[np.bool_], strength: float) -> tuple[npt.NDArray[np.float64], float]:
    """Weights of shape ``(BUCKETS,)`` and a bias: the minimum of the summed log loss plus the squared weights over
    twice ``strength``.

    Args:
        rows: What is known of each text.
        labels: True for what the score is to be high for.
        strength: The inverse of the L2 penalty.
    """
    used, column = np.unique(rows.column, return_inverse=True)
    packed = Rows(rows.row, column.astype(np.int64), rows.value, rows.count)
    parameters = torch.zeros(len(used) + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=_STEPS, tolerance_grad=1e-5, line_search_fn="strong_wolfe")
    signs = np.where(labels, 1.0, -1.0)

    def closure() -> float:
        current = parameters.detach().numpy()
        weights, bias = current[:-1], current[-1]
        margins = signs * (packed.times(weights) + bias)
        # The derivative of the log loss by the score.
        slopes = -signs * np.exp(-np.logaddexp(0, margins))
        gradient = packed.transposed_times(slopes, len(used)) + weights / strength
        parameters.grad = torch.from_numpy(np.append(gradient, slopes.sum()))
        return float(np.logaddexp(0, -margins).sum() + weights @ weights / (2 * strength))

    with _one_thread():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    result = parameters.detach().numpy()
    weights = np.zeros(BUCKETS)
    weights[used] = result[:-1]
    return weights, float(result[-1])


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order in which threads add up would otherwise be in the last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
