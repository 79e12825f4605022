"""Text while it is heard: blocks of samples in, partial and final results out.

The utterance under way is transcribed again whenever enough new sound has come; the bidirectional network so sees all
of it, and the last words can still change. An utterance ends at a pause after its last word, or where it gets long, at
its quietest place. What is final equals the transcript of its samples alone.

Shapes: N samples at the client's rate, M at the model's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
import soxr

from asr.serving.pieces import LONGEST, cut_at_quiet
from asr.serving.scheduler import Job, Scheduler
from asr.transcribing.transcript import Transcript

EVERY = 0.3  # seconds of new sound before the utterance is transcribed again
PAUSE = 0.8  # seconds without a word after the last one that end an utterance
KEPT_SILENCE = 1.0  # seconds kept of a beginning without words
WORDLESS = 4.0  # seconds without words before what is older than that is dropped


@dataclass(frozen=True)
class Heard:
    """What a block led to.

    Attributes:
        transcript: of the utterance, times counted from the beginning of the stream.
        final: whether the utterance is over.
    """

    transcript: Transcript
    final: bool


class Live:
    """One live stream.

    Args:
        scheduler: computes.
        job: of the model to use; its decoder may expect phrases.
        sample_rate: Hz of the blocks.
    """

    def __init__(self, scheduler: Scheduler, job: Job, sample_rate: int) -> None:
        self._scheduler, self._job = scheduler, job
        self.rate = job.recognizer.sample_rate
        self._resampler = soxr.ResampleStream(sample_rate, self.rate, 1) if sample_rate != self.rate else None
        self._samples = np.empty(0, np.float32)
        self._start = 0  # of the utterance in the stream, in samples of the model's rate
        self._judged = 0  # samples of the utterance that have been transcribed
        self.heard_seconds = 0.0

    async def accept(self, block: np.ndarray) -> list[Heard]:
        """Take samples (N,) float32 in -1..1; gives nothing, a partial result, or final ones and a partial result."""
        self._append(block, last=False)
        if len(self._samples) - self._judged < EVERY * self.rate:
            return []
        return await self._judge()

    async def finish(self) -> list[Heard]:
        """The stream is over: the final result of what is left."""
        self._append(np.empty(0, np.float32), last=True)
        results = []
        while len(self._samples) > LONGEST * self.rate:
            results.append(await self._close(cut_at_quiet(self._samples, self.rate)[0][1]))
        results.append(await self._close(len(self._samples)))
        return results

    def _append(self, block: np.ndarray, last: bool) -> None:
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block.astype(np.float32), last=last)
        self.heard_seconds += len(block) / self.rate
        self._samples = np.concatenate([self._samples, block.astype(np.float32)])

    async def _judge(self) -> list[Heard]:
        results = []
        while len(self._samples) > LONGEST * self.rate:
            results.append(await self._close(cut_at_quiet(self._samples, self.rate)[0][1]))
        partial = await self._transcribe(len(self._samples))
        self._judged = len(self._samples)
        words = [word for segment in partial.segments for word in segment.words]
        if not words:
            self._drop_silence()
            return [*results, Heard(partial, final=False)]
        last = words[-1].end - self._start / self.rate
        if len(self._samples) / self.rate - last >= PAUSE:
            cut = round((last + PAUSE / 2) * self.rate)
            return [*results, await self._close(cut)]
        return [*results, Heard(partial, final=False)]

    def _drop_silence(self) -> None:
        if len(self._samples) > WORDLESS * self.rate:
            dropped = len(self._samples) - round(KEPT_SILENCE * self.rate)
            self._samples = self._samples[dropped:]
            self._start += dropped
            self._judged -= dropped

    async def _close(self, cut: int) -> Heard:
        transcript = await self._transcribe(cut)
        self._samples = self._samples[cut:]
        self._start += cut
        self._judged = 0
        return Heard(transcript, final=True)

    async def _transcribe(self, samples: int) -> Transcript:
        if samples == 0:
            return Transcript("", 0.0)
        piece = (self._samples[:samples], self._start / self.rate)
        job = Job(self._job.recognizer, self._job.decoder)
        async for transcript in self._scheduler.transcripts(job, [piece]):
            return transcript
        raise asyncio.CancelledError
