"""The audio of utterances by id: read, checked, resampled, and kept where memory allows.

Shapes: N samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from asr.corpus.recording import read_utterance
from asr.corpus.spans import Spans
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.features.wave_cache import WaveCache, is_whole_steps

SLACK = 16  # samples that resampling may add to what the duration says


class Waves:
    """Audio of a set of utterances.

    Args:
        utterances: the set, at least one; gone through once.
        sample_rate: Hz of every wave.
        cache_bytes: memory for waves that were read before.
        whole_steps: whether they are of 16 bits, which takes half the memory; None looks at the first.

    Attributes:
        spans: where the audio lies.

    Raises:
        CorpusError: an audio file is missing.
        AsrError: the first utterance was looked at and is unreadable.
    """

    def __init__(
        self, utterances: Iterable[Utterance], sample_rate: int, cache_bytes: int, *, whole_steps: bool | None = None
    ) -> None:
        self.spans = Spans(utterances)
        self.sample_rate = sample_rate
        _check_present(self.spans)
        if whole_steps is None:
            whole_steps = is_whole_steps(read_utterance(self.spans.utterance(0), sample_rate))
        capacities = np.rint(self.spans.durations * sample_rate).astype(np.int64) + SLACK
        self._cache = WaveCache(capacities, cache_bytes, whole_steps=whole_steps)

    def samples(self, name: str) -> int:
        """Number of samples that an utterance's duration promises; resampling may give a few more or fewer."""
        return round(float(self.spans.durations[self.spans.number(name)]) * self.sample_rate)

    def __getitem__(self, name: str) -> np.ndarray:
        """Samples (N,) float32 of one utterance; the caller may change them.

        Raises:
            AsrError: unreadable audio.
        """
        number = self.spans.number(name)
        wave = self._cache.get(number)
        if wave is None:
            wave = read_utterance(self.spans.utterance(number), self.sample_rate)
            self._cache.put(number, wave)
        return wave


def _check_present(spans: Spans) -> None:
    missing = [(name, audio) for audio, name in spans.recordings() if "://" not in audio and not Path(audio).exists()]
    if missing:
        name, audio = missing[0]
        more = f" and that of {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CorpusError(f"utterance {name}", f"its audio {audio}{more} does not exist", "correct the paths")
