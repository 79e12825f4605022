"""The cheapest one-to-one assignment, by the Hungarian method.

Shapes: n rows and columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def cheapest_assignment(costs: npt.NDArray[np.float64]) -> list[int]:
    """For each of the n rows of a square matrix its column, so that the sum is smallest.

    Shortest augmenting paths with potentials, O(n^3) (Jonker and Volgenant, Computing 38, 1987).
    """
    size = len(costs)
    row_potential, column_potential = np.zeros(size + 1), np.zeros(size + 1)
    row_of = np.full(size + 1, -1)  # column -> row; the last column is the one from which a path begins
    for row in range(size):
        row_of[size] = row
        column, shortest = size, np.full(size, np.inf)
        came_from, done = np.full(size, size), np.zeros(size + 1, bool)
        while row_of[column] >= 0:
            done[column] = True
            here = row_of[column]
            reduced = costs[here] - row_potential[here] - column_potential[:size]
            better = ~done[:size] & (reduced < shortest)
            shortest[better], came_from[better] = reduced[better], column
            following = int(np.argmin(np.where(done[:size], np.inf, shortest)))
            step = shortest[following]
            for old in np.flatnonzero(done):
                row_potential[row_of[old]] += step
                column_potential[old] -= step
            shortest[~done[:size]] -= step
            column = following
        while column != size:
            row_of[column], column = row_of[came_from[column]], int(came_from[column])
    columns = [0] * size
    for column in range(size):
        columns[row_of[column]] = column
    return columns
