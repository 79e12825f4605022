"""The samples of one utterance."""

from __future__ import annotations

import numpy as np

from asr.audio.reading import read_audio
from asr.corpus.utterance import Utterance
from asr.errors import AsrError


def read_utterance(utterance: Utterance, sample_rate: int) -> np.ndarray:
    """Samples (N,) float32 of one utterance at a rate in Hz.

    Raises:
        AsrError: its audio is unreadable; the error names the utterance.
    """
    try:
        return read_audio(
            utterance.audio,
            sample_rate=sample_rate,
            start=utterance.start,
            duration=utterance.duration,
            channel=utterance.channel,
        )
    except AsrError as error:
        raise type(error)(f"utterance {utterance.id} ({error.subject})", error.reason, error.remedy) from None
