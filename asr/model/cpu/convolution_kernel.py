"""The front end's two strided convolutions with ReLU, forward and backward, compiled for the processor.

Shapes: B utterances, T frames, F bins, T1 and F1 after the first convolution, T2 and F2 after the second, C channels, a
multiple of PANEL. Both kernels are 3 x 3 with one frame and one bin of padding and a stride of two in frequency.

Channels are innermost, so what a kernel covers in one frame lies in one piece, and rows of a tile are the bins of a
frame: no copy of the input is arranged for a product, as libraries do it. The first convolution's output has an empty
bin before its first and after its last. Frames beyond an utterance's length do not take part, which is what zeros
there would do.
"""

from __future__ import annotations

import numpy as np

from asr.kernels.fused import fused, fused_inline
from asr.model.cpu.tiles import (
    PANEL,
    ROWS,
    add_panel,
    mask_panel,
    move_panel,
    multiply_group,
    multiply_panel,
)

KERNEL = 3
PATCH = KERNEL * KERNEL
LINE = 16  # numbers from one patch of the input to the next


@fused_inline
def _reduced(frames, stride):  # type: ignore[no-untyped-def]
    return (frames + stride - 1) // stride


@fused
def _gather(x, time, frames, bins, stride, patches):  # type: ignore[no-untyped-def]
    """Patches (F1, 9) of one utterance's input (T * F, flat) about the frame `time * stride`, zero outside."""
    count = len(patches) // LINE
    for d in range(KERNEL):
        frame = time * stride + d - 1
        if not 0 <= frame < frames:
            for place in range(d * KERNEL, count * LINE, LINE):
                patches[place] = patches[place + 1] = patches[place + 2] = np.float32(0.0)
            continue
        start, place = frame * bins, d * KERNEL
        for f in range(count):
            at = 2 * f
            patches[place] = x[start + at - 1] if f else np.float32(0.0)
            patches[place + 1] = x[start + at]
            patches[place + 2] = x[start + at + 1] if at + 1 < bins else np.float32(0.0)
            place += LINE


@fused
def _rectify(values):  # type: ignore[no-untyped-def]
    for j in range(len(values)):
        values[j] = np.float32(0.0) if values[j] < np.float32(0.0) else values[j]


@fused
def _begin_with(bias, rows, out, at):  # type: ignore[no-untyped-def]
    for row in range(rows):
        for p in range(0, len(bias), PANEL):
            move_panel(out, at + row * len(bias) + p, bias, p)


@fused
def forward(x, first, last, lengths, strides, weights, biases, middle, out):  # type: ignore[no-untyped-def]
    """Both convolutions for the utterances from `first` to before `last`.

    Args:
        x: (B, T, F) float32.
        first, last: range of utterances.
        lengths: (B,) int64.
        strides: of the two convolutions in time.
        weights: `pack` of (9, C) and `pack` of (9 * C, C); rows by frame, bin, input channel.
        biases: (C,) and (C,).
        middle: (B, T1, F1 + 2, C), filled within the lengths.
        out: (B, T2, F2, C), filled within the lengths.
    """
    bins = x.shape[2]
    _, frames_1, _, channels = middle.shape
    _, frames_2, bins_2, _ = out.shape
    bins_1 = _reduced(bins, 2)
    wide = (bins_1 + 2) * channels
    hidden, result = middle.reshape(-1), out.reshape(-1)
    patches = np.zeros(bins_1 * LINE, np.float32)
    for row in range(first, last):
        source = x[row].reshape(-1)
        count_1 = _reduced(lengths[row], strides[0])
        for t in range(count_1):
            _gather(source, t, lengths[row], bins, strides[0], patches)
            at = (row * frames_1 + t) * wide
            hidden[at : at + channels] = np.float32(0.0)
            hidden[at + wide - channels : at + wide] = np.float32(0.0)
            for p in range(0, channels, PANEL):
                multiply_panel(hidden, at + channels + p, channels, biases[0], p, 0,
                               patches, 0, LINE, weights[0], p * PATCH, PATCH, bins_1)  # fmt: skip
            _rectify(hidden[at + channels : at + wide - channels])
        for t in range(_reduced(count_1, strides[1])):
            at = (row * frames_2 + t) * bins_2 * channels
            _begin_with(biases[1], bins_2, result, at)
            for d in range(KERNEL):
                time = t * strides[1] + d - 1
                if 0 <= time < count_1:
                    for p in range(0, channels, PANEL):
                        w_at = (p * KERNEL + d * PANEL) * KERNEL * channels
                        multiply_panel(result, at + p, channels, result, at + p, channels,
                                       hidden, (row * frames_1 + time) * wide, 2 * channels,
                                       weights[1], w_at, KERNEL * channels, bins_2)  # fmt: skip
            _rectify(result[at : at + bins_2 * channels])


@fused
def backward(x, first, last, lengths, strides, turned, middle, out, above, to_weights, to_biases):  # type: ignore[no-untyped-def]
    """Gradients of weights and biases, of each utterance for itself; after `forward`.

    Args:
        x, first, last, lengths, strides, middle, out: as there.
        turned: (9 * C * C,) the second convolution's weights, panels by panels: of output channels, kernel element and
            input channels; in each the output channels are the lines.
        above: (B, T2, F2, C) gradient of `out`.
        to_weights: (B, 9, C) and (B, C / PANEL, 9 * C, PANEL) zeros, filled.
        to_biases: (B, C) and (B, C) zeros, filled.
    """
    bins = x.shape[2]
    _, frames_1, _, channels = middle.shape
    _, frames_2, bins_2, _ = out.shape
    bins_1 = _reduced(bins, 2)
    wide = (bins_1 + 2) * channels
    hidden, result, gradient = middle.reshape(-1), out.reshape(-1), above.reshape(-1)
    bias_1, bias_2 = to_biases[0].reshape(-1), to_biases[1].reshape(-1)
    weights_1, weights_2 = to_weights[0].reshape(-1), to_weights[1].reshape(-1)
    patches = np.zeros(bins_1 * LINE, np.float32)
    part = np.zeros(max(bins_1, bins_2) * channels, np.float32)
    below = np.zeros(frames_1 * wide, np.float32)
    for row in range(first, last):
        count_1 = _reduced(lengths[row], strides[0])
        below[: count_1 * wide] = np.float32(0.0)
        for t in range(_reduced(count_1, strides[1])):
            at = (row * frames_2 + t) * bins_2 * channels
            _through_relu(gradient, at, result, at, bins_2, channels, part, bias_2, row * channels)
            for d in range(KERNEL):
                time = t * strides[1] + d - 1
                if 0 <= time < count_1:
                    x_at = (row * frames_1 + time) * wide
                    _second(part, bins_2, channels, hidden, x_at, d, turned, below, time * wide, weights_2,
                            row * PATCH * channels * channels)  # fmt: skip
        source = x[row].reshape(-1)
        for t in range(count_1):
            at = (row * frames_1 + t) * wide + channels
            _through_relu(below, t * wide + channels, hidden, at, bins_1, channels, part, bias_1, row * channels)
            _gather(source, t, lengths[row], bins, strides[0], patches)
            for p in range(0, channels, PANEL):
                for group in range(0, PATCH, ROWS):
                    multiply_group(weights_1, (row * PATCH + group) * channels + p, channels, patches, group, LINE,
                                   part, p * bins_1, bins_1, min(ROWS, PATCH - group))  # fmt: skip


@fused
def _through_relu(above, above_at, out, out_at, bins, channels, part, to_bias, to_bias_at):  # type: ignore[no-untyped-def]
    """The gradient before the ReLU as panels of PANEL channels, each with its bins in order; and its sum over bins."""
    for p in range(0, channels, PANEL):
        for f in range(bins):
            at, own = f * channels + p, p * bins + f * PANEL
            mask_panel(part, own, above, above_at + at, out, out_at + at)
            add_panel(to_bias, to_bias_at + p, part, own)


@fused
def _second(part, bins, channels, hidden, at, d, turned, below, below_at, to_weight, weight_at):  # type: ignore[no-untyped-def]
    """What one frame of the second convolution's gradient gives its weights and one frame below it."""
    covered = KERNEL * channels
    for p in range(0, channels, PANEL):
        for group in range(0, covered, ROWS):
            place = weight_at + (p * KERNEL + d * PANEL) * covered + group * PANEL
            multiply_group(to_weight, place, PANEL, hidden, at + group, 2 * channels,
                           part, p * bins, bins, min(ROWS, covered - group))  # fmt: skip
        for e in range(KERNEL):
            for q in range(0, channels, PANEL):
                place = below_at + e * channels + q
                w_at = (p * PATCH + (d * KERNEL + e) * PANEL) * channels + q * PANEL
                multiply_panel(below, place, 2 * channels, below, place, 2 * channels,
                               part, p * bins, PANEL, turned, w_at, PANEL, bins)  # fmt: skip
