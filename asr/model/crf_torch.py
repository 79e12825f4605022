"""The forward-backward algorithm over the denominator of CTC-CRF in PyTorch's operations, a frame of a batch at a time.

For GPUs, and for the processor where nothing is compiled; the algorithm is that of `asr.model.cpu.crf_kernel`. Nothing
waits for the device, and every tensor lies where the log-probabilities do.

Shapes: B utterances, T output frames, V units (blank = 0), H nodes, A arcs, E back-offs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asr.model.denominator_graph import GraphTensors


def log_partitions_by_torch(
    log_probs: Tensor, lengths: Tensor, graph: GraphTensors, wanted: bool
) -> tuple[Tensor, Tensor]:
    """log Z (B,) float64, and its gradient (B, T, V) in the type of log_probs, or (0,) if it is not `wanted`."""
    inside = torch.arange(log_probs.shape[1], device=log_probs.device)[:, None] < lengths[None, :]  # (T, B)
    emitted = log_probs.double().exp().permute(1, 2, 0).where(inside[:, None, :], 0.0)  # (T, V, B)
    emitted = torch.nn.functional.pad(emitted, (0, 0, 0, 1))  # the unit V, that of the beginning, is never emitted
    labels, levels, totals = _beginnings(emitted, lengths, graph)
    if not wanted:
        return totals, log_probs.new_zeros(0)
    shares = _endings(emitted, lengths, graph, labels, levels, totals)
    return totals, shares.permute(2, 0, 1).where(inside.T[:, :, None], 0.0).to(log_probs.dtype)


def _beginnings(emitted: Tensor, lengths: Tensor, graph: GraphTensors) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Weights (H, B) of the beginnings that end in a unit, one a frame, their levels (B,), and log Z (B,)."""
    nodes, batch = len(graph.units), emitted.shape[2]
    label, blank = emitted.new_zeros(nodes, batch), emitted.new_zeros(nodes, batch)
    blank[0] = 1.0
    level, scale = emitted.new_zeros(batch), emitted.new_ones(batch)
    totals = graph.finals[0].log().expand(batch)  # of an utterance without frames
    labels, levels = [], []
    for t, row in enumerate(emitted):
        sources = torch.cat([label + blank, blank])
        for longer, shorter, weights in graph.backoffs:
            _add(sources, shorter, weights * sources[longer])
            _add(sources, nodes + shorter, weights * sources[nodes + longer])
        entered = _add(label.clone(), graph.targets, graph.weights * sources[graph.sources])
        blank = (blank + label) * row[0] / scale
        label = entered * row[graph.units] / scale
        labels.append(label)
        levels.append(level)
        ends = level + (graph.finals * (label + blank)).sum(dim=0).log()
        totals = torch.where(lengths == t + 1, ends, totals)
        scale = torch.where(lengths > t, (label + blank).sum(dim=0), 1.0)
        level = level + scale.log()
    return labels, levels, totals


def _endings(
    emitted: Tensor, lengths: Tensor, graph: GraphTensors, labels: list[Tensor], levels: list[Tensor], totals: Tensor
) -> Tensor:
    """The shares of the paths that have a unit at a frame, (T, V, B)."""
    nodes, batch = len(graph.units), emitted.shape[2]
    label, blank = emitted.new_zeros(nodes, batch), emitted.new_zeros(nodes, batch)
    level = emitted.new_zeros(batch)
    shares = emitted.new_zeros(emitted.shape)
    for t in range(len(emitted) - 1, -1, -1):
        ends = lengths == t + 1
        label, blank = torch.where(ends, graph.finals, label), torch.where(ends, graph.finals, blank)
        _add(shares[t], graph.units, labels[t] * label * (levels[t] + level - totals).exp())
        if t == 0:
            break
        whole = (label + blank).sum(dim=0)
        scale = torch.where(whole == 0, 1.0, whole)
        level = level + scale.log()
        entered = label * emitted[t][graph.units] / scale
        blank = blank * emitted[t][0] / scale
        rows = _add(emitted.new_zeros(2 * nodes, batch), graph.sources, graph.weights * entered[graph.targets])
        for longer, shorter, weights in reversed(graph.backoffs):
            _add(rows, longer, weights * rows[shorter])
            _add(rows, nodes + longer, weights * rows[nodes + shorter])
        label = blank + entered + rows[:nodes]
        blank = blank + rows[:nodes] + rows[nodes:]
    spoken = shares[:, 1:-1].sum(dim=1, keepdim=True)
    return torch.cat([(1 - spoken).clamp(min=0), shares[:, 1:-1]], dim=1)


def _add(sums: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Add rows in place."""
    return sums.index_add_(0, places, values)
