"""Where a recording is cut for the scheduler: at its quietest places, so that no word is cut in two.

Shapes: N samples.
"""

from __future__ import annotations

import numpy as np

HOP = 0.01  # seconds between two measurements of the level
AROUND = 0.2  # seconds over which a place must be quiet
SHORTEST, LONGEST = 8.0, 20.0  # seconds of a piece but for the last


def cut_at_quiet(samples: np.ndarray, sample_rate: int) -> list[tuple[int, int]]:
    """Spans (begin, end) in samples that cover the recording; all but the last last `SHORTEST` to `LONGEST` seconds.

    Every cut is at the least energy, averaged over `AROUND` seconds, that lies in reach.

    Args:
        samples: (N,) mono.
        sample_rate: Hz.
    """
    longest, shortest, hop = round(LONGEST * sample_rate), round(SHORTEST * sample_rate), round(HOP * sample_rate)
    if len(samples) <= longest:
        return [(0, len(samples))] if len(samples) else []
    whole = len(samples) // hop
    energy = np.square(samples[: whole * hop].reshape(whole, hop), dtype=np.float32).mean(axis=1)
    width = max(1, round(AROUND / HOP))
    smooth = np.convolve(energy, np.full(width, 1 / width, np.float32), mode="same")
    spans, begin = [], 0
    while len(samples) - begin > longest:
        first, last = (begin + shortest) // hop, min(whole, (begin + longest) // hop)
        cut = (first + int(smooth[first:last].argmin())) * hop + hop // 2
        spans.append((begin, cut))
        begin = cut
    spans.append((begin, len(samples)))
    return spans
