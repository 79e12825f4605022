"""The automaton of a denominator as flat arrays, for the compiled algorithm, and as tensors, for PyTorch's operations.

Legend: H nodes (histories), A arcs, E back-offs, V units (blank = 0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class DenominatorGraph(NamedTuple):
    """The automaton as flat arrays. Node 0 is the beginning, before any unit; its unit is V, which none is.

    Rows of sources: h is node h left from either state, for other units than its own; H + h left from its blank, for
    its own unit.
    """

    units: np.ndarray  # (H,) int64
    finals: np.ndarray  # (H,) float64 probability to end there
    arcs_into: np.ndarray  # (H + 1,) int64 where the arcs into a node begin in the next two
    sources: np.ndarray  # (A,) int64 rows of sources
    weights_into: np.ndarray  # (A,) float64
    arcs_from: np.ndarray  # (2 H + 1,) int64 where the arcs from a row begin in the next two
    targets: np.ndarray  # (A,) int64 nodes
    weights_from: np.ndarray  # (A,) float64
    longer: np.ndarray  # (E,) int64 nodes that back off, longest histories first
    shorter: np.ndarray  # (E,) int64 what they back off to
    backoffs: np.ndarray  # (E,) float64


class GraphTensors(NamedTuple):
    """A `DenominatorGraph` on a device."""

    units: Tensor  # (H,)
    finals: Tensor  # (H, 1)
    sources: Tensor  # (A,) rows of sources
    targets: Tensor  # (A,) nodes
    weights: Tensor  # (A, 1)
    backoffs: list[tuple[Tensor, Tensor, Tensor]]  # longer nodes, shorter nodes, weights; longest histories first

    @staticmethod
    def of(graph: DenominatorGraph, device: torch.device) -> GraphTensors:
        """Copy it to a device."""

        def there(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(array)).to(device)

        targets = np.repeat(np.arange(len(graph.units)), np.diff(graph.arcs_into))
        # A node that others back off to before it does so itself must be complete by then: cut where that begins.
        cuts: list[int] = [0]
        met: set[int] = set()
        for place, (longer, shorter) in enumerate(zip(graph.longer.tolist(), graph.shorter.tolist(), strict=True)):
            if longer in met:
                cuts.append(place)
                met = set()
            met.add(shorter)
        steps = [slice(*pair) for pair in zip(cuts, [*cuts[1:], len(graph.longer)], strict=True)]
        backoffs = [
            (there(graph.longer[step]), there(graph.shorter[step]), there(graph.backoffs[step])[:, None])
            for step in steps
        ]
        return GraphTensors(
            there(graph.units), there(graph.finals)[:, None],
            there(graph.sources), there(targets), there(graph.weights_into)[:, None], backoffs,
        )  # fmt: skip
