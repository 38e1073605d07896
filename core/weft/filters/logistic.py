"""Logistic regression on sparse rows, by a truncated Newton method (Lin, Weng and Keerthi, 2008, "Trust Region Newton
Method for Large-Scale Logistic Regression", with a line search in place of the trust region)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from weft.filters.features import BUCKETS, Rows

_STEPS = 50
_INNER_STEPS = 50
_TOLERANCE = 1e-4
_HALVINGS = 30

Vector = npt.NDArray[np.float64]


def fit_logistic(rows: Rows, labels: npt.NDArray[np.bool_], strength: float) -> tuple[Vector, float]:
    """Weights of shape ``(BUCKETS,)`` and a bias: the minimum of the summed log loss plus the squared weights over
    twice ``strength``.

    Args:
        rows: What is known of each text.
        labels: True for what the score is to be high for.
        strength: The inverse of the L2 penalty.
    """
    used, column = np.unique(rows.column, return_inverse=True)
    problem = _Problem(Rows(rows.row, column.astype(np.int64), rows.value, rows.count), labels, len(used), strength)
    parameters = problem.minimum()
    weights = np.zeros(BUCKETS)
    weights[used] = parameters[:-1]
    return weights, float(parameters[-1])


class _Problem:
    """The loss of parameters, which are the weights of the columns and, last, the bias."""

    def __init__(self, rows: Rows, labels: npt.NDArray[np.bool_], columns: int, strength: float) -> None:
        self._rows = rows
        self._signs = np.where(labels, 1.0, -1.0)
        self._columns = columns
        self._penalty = np.append(np.full(columns, 1 / strength), 0.0)

    def minimum(self) -> Vector:
        parameters = np.zeros(self._columns + 1)
        loss, gradient, curvature = self._look(parameters)
        enough = _TOLERANCE * _dot(gradient, gradient) ** 0.5
        for _ in range(_STEPS):
            if _dot(gradient, gradient) ** 0.5 <= enough:
                break
            step = _solve(partial(self._hessian_times, curvature), gradient)
            slope, scale = _dot(gradient, step), 1.0
            for _ in range(_HALVINGS):
                new_loss, new_gradient, new_curvature = self._look(parameters - scale * step)
                if new_loss <= loss - 1e-4 * scale * slope:
                    break
                scale /= 2
            else:
                break
            parameters = parameters - scale * step
            loss, gradient, curvature = new_loss, new_gradient, new_curvature
        return parameters

    def _look(self, parameters: Vector) -> tuple[float, Vector, Vector]:
        """The loss, its gradient, and its second derivative by each score."""
        margins = self._signs * self._scores(parameters)
        wrong = np.exp(-np.logaddexp(0, margins))
        loss = float(np.sum(np.logaddexp(0, -margins))) + _dot(self._penalty * parameters, parameters) / 2
        return loss, self._back(-self._signs * wrong) + self._penalty * parameters, wrong * (1 - wrong)

    def _hessian_times(self, curvature: Vector, vector: Vector) -> Vector:
        return self._back(curvature * self._scores(vector)) + self._penalty * vector

    def _scores(self, parameters: Vector) -> Vector:
        scores: Vector = self._rows.times(parameters[:-1]) + parameters[-1]
        return scores

    def _back(self, slopes: Vector) -> Vector:
        return np.append(self._rows.transposed_times(slopes, self._columns), np.sum(slopes))


def _solve(matrix: Callable[[Vector], Vector], target: Vector) -> Vector:
    """Conjugate gradients, to a tenth of the first residual."""
    solution: Vector = np.zeros(len(target))
    residual, direction = target.copy(), target.copy()
    square = _dot(residual, residual)
    enough = 0.01 * square
    for _ in range(_INNER_STEPS):
        if square <= enough:
            break
        image = matrix(direction)
        length = square / _dot(direction, image)
        solution += length * direction
        residual -= length * image
        square, before = _dot(residual, residual), square
        direction = residual + (square / before) * direction
    return solution


def _dot(a: Vector, b: Vector) -> float:
    """By a plain sum: that of a linear algebra library depends on how many threads it has."""
    return float(np.sum(a * b))
