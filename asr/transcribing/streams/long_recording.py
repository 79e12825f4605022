"""A recording of any length to segments, one after the other, in memory that does not grow with it.

blocks of samples -> silences left out -> features -> windows -> network -> joined -> pieces -> words -> segments
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from asr.decoding.results.hypothesis import Word
from asr.features.streaming import FeatureStream
from asr.transcribing.streams.silence import SilenceFilter, in_recording
from asr.transcribing.streams.windows import Windowing, joined, pieces, windows_of
from asr.transcribing.transcript import Cutting, Segment, Skipped, Transcript, cut_at_pauses, tidy_words

if TYPE_CHECKING:
    from asr.transcribing.recognizer import Recognizer

AT_ONCE = 4  # windows that go through the network together
READ_SECONDS = 10.0  # samples gathered before anything is done with them
Progress = Callable[[float], None]


@dataclass
class LongRecording:
    """Transcribes one recording while it is read; to be gone through once.

    Args:
        recognizer: the model.
        blocks: samples (N,) float32 at the model's rate.
        cutting: where segments end.
        vad: leave out long silences of recordings longer than a window.
        windowing: of the network's input.
        progress: told the seconds that were read so far.

    Attributes:
        seconds: read so far.
        skipped: silences left out so far.
    """

    recognizer: Recognizer
    blocks: Iterable[np.ndarray]
    cutting: Cutting = field(default_factory=Cutting)
    vad: bool = True
    windowing: Windowing = field(default_factory=Windowing)
    progress: Progress | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._silence = SilenceFilter(self.recognizer.sample_rate)

    @property
    def skipped(self) -> list[Skipped]:
        """Silences that were left out so far."""
        return [Skipped(round(start, 3), round(end, 3), "silence") for start, end in self._silence.skipped]

    def __iter__(self) -> Iterator[Segment]:
        """Segments in order, each as soon as it can no longer change."""
        held: list[Word] = []
        number = 0
        for words in self._words():
            held += words
            cut = cut_at_pauses(held, self.cutting)
            for segment in cut[:-1]:
                yield _numbered(segment, number)
                number += 1
            held = cut[-1].words if cut else []
        for segment in cut_at_pauses(tidy_words(held, self.seconds), self.cutting):
            yield _numbered(segment, number)
            number += 1

    def transcript(self) -> Transcript:
        """The whole transcript."""
        segments = list(self)
        return Transcript(" ".join(one.text for one in segments), self.seconds, segments, self.skipped)

    def _words(self) -> Iterator[Sequence[Word]]:
        """Words of one piece after the other, with times in the recording."""
        trained = self.recognizer.trained
        longest = round(self.windowing.length / trained.seconds_per_frame) + 1
        frames = 0
        last = 0.0
        for piece in pieces(self._log_probs(), longest):
            begin = frames * trained.seconds_per_frame
            words = []
            for word in self.recognizer.decoder.decode(piece)[0].words:
                start, end = (in_recording(begin + time, self._silence.skipped) for time in (word.start, word.end))
                start = round(max(start, last), 3)
                last = round(max(end, start), 3)
                words.append(Word(word.text, start, last, round(word.confidence, 4)))
            frames += len(piece)
            yield words

    def _log_probs(self) -> Iterator[np.ndarray]:
        config = self.recognizer.trained.config
        reduction = config.model.time_reduction
        length, overlap = self.windowing.frames(config.features.frame_shift_ms / 1000, reduction)
        windows = windows_of(self._features(), length, overlap)
        normaliser = self.recognizer.trained.normaliser

        def through_network() -> Iterator[np.ndarray]:
            while batch := [normaliser.matrix(window) for window in islice(windows, AT_ONCE)]:
                yield from self.recognizer.network(batch)

        return joined(through_network(), overlap // reduction)

    def _features(self) -> Iterator[np.ndarray]:
        stream = FeatureStream(self.recognizer.filterbank)
        for block in self._samples():
            yield stream.push(block)
        yield stream.finish()

    def _samples(self) -> Iterator[np.ndarray]:
        """The recording in larger blocks; one that fits a window keeps its silences."""
        blocks = self._gathered()
        if not self.vad:
            yield from blocks
            return
        begin: list[np.ndarray] = []
        while sum(map(len, begin)) <= self.windowing.length * self.recognizer.sample_rate:
            block = next(blocks, None)
            if block is None:
                yield from begin
                return
            begin.append(block)

        def all_of_it() -> Iterator[np.ndarray]:
            yield np.concatenate(begin)
            begin.clear()
            yield from blocks

        yield from self._silence(all_of_it())

    def _gathered(self) -> Iterator[np.ndarray]:
        held: list[np.ndarray] = []
        count = 0
        for block in self.blocks:
            held.append(block)
            count += len(block)
            if count >= READ_SECONDS * self.recognizer.sample_rate:
                yield self._read(held, count)
                held, count = [], 0
        if count:
            yield self._read(held, count)

    def _read(self, held: list[np.ndarray], count: int) -> np.ndarray:
        self.seconds += count / self.recognizer.sample_rate
        if self.progress is not None:
            self.progress(self.seconds)
        return np.concatenate(held)


def _numbered(segment: Segment, number: int) -> Segment:
    return Segment(number, segment.start, segment.end, segment.text, segment.words, segment.speaker)
