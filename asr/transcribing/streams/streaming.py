"""Transcribing while somebody speaks: blocks of any size in, partial and final results out.

A window is moved over an unchanged bidirectional model (Zeyer et al. 2016): of each run of the network over some
seconds before, a chunk, and the look-ahead after it, the chunk's rows are kept. Latency is chunk plus look-ahead.
Features are normalised over the window. With a look-ahead to the end, a recording that fits the window has exactly the
log-probabilities that it has offline.

Shapes: N samples, T feature frames, T' output frames, V units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asr.errors import UsageError
from asr.features.streaming import FeatureStream
from asr.transcribing.transcript import Segment, segment_of, tidy_words
from asr.units import BLANK

if TYPE_CHECKING:
    from asr.transcribing.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Seconds that decide between latency and accuracy.

    Attributes:
        chunk: decided at once.
        look_ahead: heard after a chunk before it is decided; infinite waits for the end.
        history: heard again before a chunk.
        pause: of blanks that ends a segment.
        longest: segment; a longer one is ended at its last pause between words.
    """

    chunk: float = 0.32
    look_ahead: float = 0.64
    history: float = 10.0
    pause: float = 0.8
    longest: float = 20.0

    def __post_init__(self) -> None:
        for name in ("chunk", "history", "pause", "longest"):
            if not 0 < getattr(self, name) < 3600:
                raise UsageError(name, f"{getattr(self, name)} is no number of seconds", "give a number above 0")
        if not self.look_ahead >= 0:
            raise UsageError("look_ahead", f"{self.look_ahead} is no number of seconds", "give a number of 0 or more")


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What is known of a segment: while it is partial, later results replace it.

    Attributes:
        final: whether it can no longer change.
        segment: words with times in seconds from the beginning of the stream.
    """

    final: bool
    segment: Segment


class TranscriptStream:
    """One stream; made by `Recognizer.stream`."""

    def __init__(self, recognizer: Recognizer, options: StreamOptions | None = None) -> None:
        self.options = options or StreamOptions()
        trained = recognizer.trained
        self._recognizer = recognizer
        self._reduction = trained.config.model.time_reduction
        self._row_seconds = trained.seconds_per_frame
        self._features = FeatureStream(recognizer.filterbank)
        self._held = np.empty((0, trained.config.features.dimension), np.float32)
        self._dropped = 0  # output rows before those that the held features give
        self._decided = 0  # output rows so far
        self._rows = np.empty((0, len(trained.units)), np.float32)  # of the open segment
        self._first = 0  # output row at which it begins
        self._segments = 0
        self._samples = 0
        self._shown = ""

    def push(self, samples: np.ndarray) -> list[StreamResult]:
        """Take a further block of samples (N,) at the model's rate; whatever it settles is returned."""
        samples = self._recognizer.samples(samples)
        self._samples += len(samples)
        self._held = np.concatenate([self._held, self._features.push(samples)])
        results: list[StreamResult] = []
        chunk = max(1, round(self.options.chunk / self._row_seconds))
        ahead = self.options.look_ahead / self._row_seconds
        while self._dropped + len(self._held) // self._reduction >= self._decided + chunk + ahead:
            end = self._decided + chunk + round(ahead)
            results += self._decide(self._decided + chunk, end)
        return results

    def finish(self) -> list[StreamResult]:
        """The results of what is left when the stream ends."""
        self._held = np.concatenate([self._held, self._features.finish()])
        rows = self._dropped + -(-len(self._held) // self._reduction)
        results = self._decide(rows, rows) if rows > self._decided else []
        return [*results, *self._close(len(self._rows))]

    def _decide(self, until: int, end: int) -> list[StreamResult]:
        """Run the network up to output row `end` and keep its rows up to `until`."""
        window = self._held[: (end - self._dropped) * self._reduction]
        rows = self._recognizer.network([self._recognizer.trained.normaliser.matrix(window)])[0]
        kept = rows[self._decided - self._dropped : until - self._dropped]
        self._rows = np.concatenate([self._rows, kept])
        self._decided = until
        spare = max(0, self._decided - round(self.options.history / self._row_seconds) - self._dropped)
        self._held, self._dropped = self._held[spare * self._reduction :], self._dropped + spare
        return self._results()

    def _results(self) -> list[StreamResult]:
        results: list[StreamResult] = []
        quiet = self._rows.argmax(axis=1) == BLANK
        spoken = np.flatnonzero(~quiet)
        pause = round(self.options.pause / self._row_seconds)
        if not len(spoken):  # nothing yet: keep a pause's worth
            spare = max(0, len(self._rows) - pause)
            self._rows, self._first = self._rows[spare:], self._first + spare
            return results
        if len(quiet) - 1 - spoken[-1] > pause:
            return self._close(int(spoken[-1]) + 1 + pause // 2)
        if len(self._rows) * self._row_seconds > self.options.longest:
            gaps = np.diff(spoken)
            place = int(gaps.argmax())
            return self._close(int(spoken[place] + spoken[place + 1] + 1) // 2 if len(gaps) else len(quiet))
        segment = self._segment(self._rows)
        if segment is not None and segment.text != self._shown:
            self._shown = segment.text
            results.append(StreamResult(False, segment))
        return results

    def _close(self, rows: int) -> list[StreamResult]:
        """End the segment after its first `rows` rows."""
        segment = self._segment(self._rows[:rows])
        self._rows, self._first, self._shown = self._rows[rows:], self._first + rows, ""
        if segment is None:
            return []
        self._segments += 1
        return [StreamResult(True, segment)]

    def _segment(self, rows: np.ndarray) -> Segment | None:
        if not len(rows):
            return None
        begin = self._first * self._row_seconds
        duration = max(0.0, self._samples / self._recognizer.sample_rate - begin)
        words = tidy_words(self._recognizer.decoder.decode(rows)[0].words, duration)
        if not words:
            return None
        moved = [type(w)(w.text, round(w.start + begin, 3), round(w.end + begin, 3), w.confidence) for w in words]
        return segment_of(self._segments, moved)
