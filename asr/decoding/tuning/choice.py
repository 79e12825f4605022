"""Choosing among settings that a development set can hardly tell apart. G: settings, U: utterances, K: weights.

Fewest errors is a poor criterion on a small set: the grid has many settings, and by chance one of those at its edge is
an error or two ahead. So every setting is compared with the one of fewest errors, utterance by utterance. With
difference d and its standard error s, a setting weighs exp(-(d/s)^2 / 2): how plausible it is that the two are equally
good. Of the settings within one standard error (Breiman et al. 1984, section 3.4.3) the one nearest to the weighted
mean of all is taken. Where errors tell settings apart, this is close to the fewest; where not, the valley's middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-9


@dataclass(frozen=True)
class Choice:
    """The chosen setting, the one of fewest errors (the first, of several), and how near to it each setting is.

    Attributes:
        index: of the chosen setting.
        fewest: index of the setting of fewest errors.
        excess: (G,) errors above the fewest.
        standard_errors: (G,) standard error of `excess`.
    """

    index: int
    fewest: int
    excess: NDArray[np.int64]
    standard_errors: NDArray[np.float64]

    @property
    def alike(self) -> NDArray[np.bool_]:
        """(G,) whether a setting is within one standard error of the fewest errors."""
        near: NDArray[np.bool_] = self.excess <= self.standard_errors + ROUNDING
        return near


def choose_setting(errors: ArrayLike, settings: Sequence[Sequence[float]]) -> Choice:
    """Choose a setting by the rule above.

    Distances are counted in steps of the grid along each weight; of equally near settings the one with fewer errors is
    taken, then the first.

    Args:
        errors: (G, U) word errors of each utterance with each setting.
        settings: (G, K) values of the weights.
    """
    wrong = np.asarray(errors)
    totals = wrong.sum(axis=1, dtype=np.int64)
    fewest = int(np.argmin(totals))
    excess = totals - totals[fewest]
    deviations = standard_errors(wrong - wrong[fewest])
    choice = Choice(fewest, fewest, excess, deviations)
    places = grid_places(settings)
    surprise = np.divide(excess, deviations, out=np.where(excess > 0, np.inf, 0.0), where=deviations > 0.0)
    plausible = np.exp(-0.5 * surprise**2)
    middle = plausible @ places / plausible.sum()
    distances = np.where(choice.alike, ((places - middle) ** 2).sum(axis=1), np.inf).round(9)
    return Choice(int(np.lexsort((excess, distances))[0]), fewest, excess, deviations)


def standard_errors(differences: NDArray[np.integer]) -> NDArray[np.float64]:
    """Standard error of each row's sum, (G,), from its spread over the utterances (G, U); 0 for a single utterance."""
    utterances = differences.shape[1]
    if utterances < 2:
        return np.zeros(len(differences))
    spread: NDArray[np.float64] = np.sqrt(utterances * differences.var(axis=1, ddof=1))
    return spread


def grid_places(settings: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Place of each setting in the grid: (G, K), 0 for the smallest value of a weight, 1 for the next."""
    columns = np.asarray(settings, dtype=np.float64).T
    return np.stack([np.unique(column, return_inverse=True)[1] for column in columns], axis=1).astype(np.float64)
