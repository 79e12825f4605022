"""Alignment with unequal costs, compiled by numba: the dynamic programme of NIST's sclite.

Shapes: N utterances, R reference tokens in all, H hypothesis tokens in all, E edits in all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.errors import ScoringError
from asr.kernels.compile import allocating

Ints = npt.NDArray[np.int64]
DIAGONAL, UP, LEFT = 0, 1, 2
MOST_CELLS = 4_000_000_000
"""One byte each: 63,000 words against as many."""


@allocating
def _fill(ref, hyp, sub, dele, ins, row, back):  # type: ignore[no-untyped-def]  # numba infers the types
    """Fill `back` (I + 1, J + 1) with the step into each cell; `row` (J + 1,) holds the costs of the row above.

    sclite takes the diagonal when it is not dearer than either side, and an insertion before an equally cheap
    deletion (SCTK, src/sclite/net_dp.c).
    """
    for j in range(1, len(hyp) + 1):
        row[j] = row[j - 1] + ins
        back[0, j] = LEFT
    for i in range(1, len(ref) + 1):
        diagonal = row[0]
        row[0] += dele
        back[i, 0] = UP
        for j in range(1, len(hyp) + 1):
            across = diagonal + (0 if ref[i - 1] == hyp[j - 1] else sub)
            up, left = row[j] + dele, row[j - 1] + ins
            diagonal = row[j]
            if across <= up and across <= left:
                row[j], back[i, j] = across, DIAGONAL
            elif up < left:
                row[j], back[i, j] = up, UP
            else:
                row[j], back[i, j] = left, LEFT


@allocating
def _trace(ref, hyp, back, kinds, at_ref, at_hyp):  # type: ignore[no-untyped-def]
    """Write the edits of one alignment, last first, and return how many there are."""
    i, j, count = len(ref), len(hyp), 0
    while i > 0 or j > 0:
        step = back[i, j]
        i, j = i - (step != LEFT), j - (step != UP)
        if step != DIAGONAL or ref[i] != hyp[j]:
            kinds[count], at_ref[count], at_hyp[count] = step, i, j
            count += 1
    return count


@allocating
def _align_all(refs, r_at, hyps, h_at, sub, dele, ins, kinds, at_ref, at_hyp, lengths):  # type: ignore[no-untyped-def]
    total = 0
    width = 1
    cells = 1
    for n in range(len(lengths)):
        rows, columns = r_at[n + 1] - r_at[n] + 1, h_at[n + 1] - h_at[n] + 1
        width, cells = max(width, columns), max(cells, rows * columns)
    row = np.zeros(width, np.int64)
    table = np.zeros(cells, np.uint8)
    for n in range(len(lengths)):
        ref, hyp = refs[r_at[n] : r_at[n + 1]], hyps[h_at[n] : h_at[n + 1]]
        back = table[: (len(ref) + 1) * (len(hyp) + 1)].reshape(len(ref) + 1, len(hyp) + 1)
        row[0] = 0
        _fill(ref, hyp, sub, dele, ins, row, back)
        count = _trace(ref, hyp, back, kinds[total:], at_ref[total:], at_hyp[total:])
        span = slice(total, total + count)
        kinds[span] = kinds[span][::-1].copy()
        at_ref[span] = at_ref[span][::-1].copy() + r_at[n]
        at_hyp[span] = at_hyp[span][::-1].copy() + h_at[n]
        lengths[n] = count
        total += count
    return total


def align_weighted(
    refs: npt.NDArray[np.int32], r_at: Ints, hyps: npt.NDArray[np.int32], h_at: Ints, sub: int, dele: int, ins: int
) -> tuple[npt.NDArray[np.uint8], Ints, Ints, Ints]:
    """Align N pairs of token sequences with the given costs.

    Args:
        refs: (R,) reference tokens; r_at: (N + 1,) where each begins.
        hyps: (H,) hypothesis tokens; h_at: (N + 1,) where each begins.
        sub, dele, ins: cost of a substitution, a deletion, an insertion.

    Returns:
        kinds (E,) with 0 substitution, 1 deletion, 2 insertion; flat reference and hypothesis position of each
        edit (E,); number of edits of each pair (N,).

    Raises:
        ScoringError: an utterance is too long for its table of steps.
    """
    cells = int(np.max((np.diff(r_at) + 1) * (np.diff(h_at) + 1), initial=1))
    if cells > MOST_CELLS:
        raise ScoringError(
            f"alignment at costs {sub}/{dele}/{ins}",
            f"needs {cells / 1e9:.0f} GB for the longest utterance",
            "cut the recording into segments, or use --costs unit",
        )
    most = len(refs) + len(hyps)
    kinds, lengths = np.zeros(most, np.uint8), np.zeros(len(r_at) - 1, np.int64)
    at_ref, at_hyp = np.zeros(most, np.int64), np.zeros(most, np.int64)
    total = _align_all(refs, r_at, hyps, h_at, sub, dele, ins, kinds, at_ref, at_hyp, lengths)
    return kinds[:total].copy(), at_ref[:total].copy(), at_hyp[:total].copy(), lengths
