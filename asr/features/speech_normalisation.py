"""Normalisation by the frames that hold speech, so that silence, faint noise and clicks at the edges change nothing.

Mean and deviation over a whole utterance move with every second of silence before or after it: half a second of
digital silence, of which the logarithm is far below everything else, turns a good transcript into nonsense. Here they
are taken over the loud frames alone, and what lies far below them all looks alike.

Shapes: T frames, F features (log-mel filterbanks).
"""

from __future__ import annotations

import numpy as np

LOUDEST = 30  # the level of this frame, counted from the loudest, is the reference: a click of 0.1 s does not reach it
SHARE = 4  # of shorter utterances than LOUDEST times this, the loudest quarter
SPEECH_RANGE = 4.6  # nats of power (20 dB) below the reference in which a frame counts as speech
# In nats, of the sum over the filters of 16-bit samples: white noise of -95 dB of full scale, half a step of 16 bits.
QUIETEST = 10.0
SMALLEST_DEVIATION = 0.5  # nats; speech varies by 1.5 to 3
LOWEST = -4.0  # in deviations below the mean of speech: digital silence comes to lie here, pauses a little above


def speech_frames(matrix: np.ndarray) -> np.ndarray:
    """Which frames (T,) bool of log-mel features (T, F) lie within 20 dB of the loud ones; none in digital silence."""
    if not matrix.size:
        return np.zeros(len(matrix), bool)
    level = np.logaddexp.reduce(matrix.astype(np.float64), axis=1)
    rank = min(LOUDEST, max(1, len(level) // SHARE))
    reference = np.partition(level, len(level) - rank)[len(level) - rank]
    return level >= max(reference - SPEECH_RANGE, QUIETEST)


def normalise_by_speech(matrix: np.ndarray) -> np.ndarray:
    """Zero mean and unit deviation of each feature over the speech frames; nothing below `LOWEST`.

    Args:
        matrix: (T, F) log-mel features in nats, of samples on the scale of 16 bits.

    Returns:
        (T, F) float32; all `LOWEST` where there is no speech frame.
    """
    spoken = matrix[speech_frames(matrix)].astype(np.float64)
    if not len(spoken):
        return np.full(matrix.shape, LOWEST, np.float32)
    deviation = np.maximum(spoken.std(axis=0), SMALLEST_DEVIATION)
    normalised: np.ndarray = np.maximum((matrix - spoken.mean(axis=0)) / deviation, LOWEST).astype(np.float32)
    return normalised
