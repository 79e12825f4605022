"""Fair work by pieces: every recording is cut into pieces, and a batch takes the next piece of each request in turn.

So a recording of three seconds is answered while one of two hours is under way, and pieces of several requests share a
batch. What the text of a piece is does not depend on its batch (the recogniser promises that). One thread computes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from asr.decoding.decoder import Decoder
from asr.errors import AsrError
from asr.serving.metrics import Metrics
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.transcript import Transcript, transcript_of

LOGGER = logging.getLogger("asr")
BATCH_PIECES, BATCH_SECONDS = 16, 120.0


class Listener(Protocol):
    """Gets a piece's outcome in the event loop."""

    def __call__(self, outcome: Transcript | AsrError) -> None: ...


@dataclass(eq=False)
class Piece:
    """Samples (N,) at the model's rate that begin `start` seconds into the recording, and who waits for their text."""

    samples: np.ndarray
    start: float
    listener: Listener


@dataclass(eq=False)
class Job:
    """The pieces of one request in their order.

    Attributes:
        recognizer: the model to use.
        decoder: its own or one with this request's phrases.
        pieces: that have not been begun.
        cancelled: the client has gone; what has not been begun will not be.
    """

    recognizer: Recognizer
    decoder: Decoder
    pieces: deque[Piece] = field(default_factory=deque)
    cancelled: bool = False


class Scheduler:
    """One thread that computes for all requests.

    Args:
        metrics: told of every batch.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._turn: deque[Job] = deque()  # jobs with pieces to do, the next one first
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="asr-scheduler", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to compute; outcomes are handed to listeners in `loop`."""
        self._loop = loop
        self._thread.start()

    def close(self) -> None:
        """Stop after the batch under way."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, job: Job, pieces: Sequence[Piece]) -> None:
        """Add pieces to a job, which gets its turn after those that have waited longer."""
        with self._wake:
            idle = not job.pieces
            job.pieces.extend(pieces)
            if idle and job.pieces and not job.cancelled:
                self._turn.append(job)
            self._wake.notify()

    def cancel(self, job: Job) -> None:
        """Forget what of a job has not been begun."""
        with self._wake:
            job.cancelled = True
            job.pieces.clear()
            if job in self._turn:
                self._turn.remove(job)

    async def transcripts(self, job: Job, pieces: Sequence[tuple[np.ndarray, float]]) -> AsyncIterator[Transcript]:
        """Transcripts of pieces (samples, start in seconds) in their order, with times in the recording.

        Raises:
            AsrError: a piece could not be decoded.
        """
        waiting: list[asyncio.Future[Transcript]] = []
        loop = asyncio.get_running_loop()
        prepared = []
        for samples, start in pieces:
            future: asyncio.Future[Transcript] = loop.create_future()
            waiting.append(future)
            prepared.append(Piece(samples, start, _settling(future)))
        try:
            self.submit(job, prepared)
            for future, piece in zip(waiting, prepared, strict=True):
                yield (await future).moved(piece.start)
        finally:
            self.cancel(job)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._turn and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                batch = self._next_batch()
            self._compute(batch)

    def _next_batch(self) -> list[tuple[Job, Piece]]:
        """In turn a piece of each job, all of one model, until the batch is full; called with the lock held."""
        batch: list[tuple[Job, Piece]] = []
        seconds, recognizer = 0.0, self._turn[0].recognizer
        passed: list[Job] = []
        while self._turn and len(batch) < BATCH_PIECES and seconds < BATCH_SECONDS:
            job = self._turn.popleft()
            if job.recognizer is not recognizer:
                passed.append(job)
                continue
            piece = job.pieces.popleft()
            batch.append((job, piece))
            seconds += len(piece.samples) / recognizer.sample_rate
            if job.pieces:
                self._turn.append(job)
        self._turn.extendleft(reversed(passed))
        return batch

    def _compute(self, batch: list[tuple[Job, Piece]]) -> None:
        recognizer = batch[0][0].recognizer
        with self._metrics.batch([len(piece.samples) / recognizer.sample_rate for _, piece in batch]):
            try:
                rows: Sequence[np.ndarray | AsrError] = recognizer.log_probs([piece.samples for _, piece in batch])
            except Exception as error:
                rows = [self._alone(recognizer, piece, error) for _, piece in batch]
            for (job, piece), row in zip(batch, rows, strict=True):
                outcome = row if isinstance(row, AsrError) else self._decode(job, piece, row)
                assert self._loop is not None
                try:
                    self._loop.call_soon_threadsafe(piece.listener, outcome)
                except RuntimeError:  # the loop has ended: nobody waits any more
                    return

    def _alone(self, recognizer: Recognizer, piece: Piece, error: Exception) -> np.ndarray | AsrError:
        """The log-probabilities of a piece whose batch failed, or why it fails by itself."""
        try:
            return recognizer.log_probs([piece.samples])[0]
        except AsrError as own:
            return own
        except Exception as own:
            LOGGER.exception("a piece could not be computed")
            return AsrError("recording", f"could not be computed ({type(own).__name__})", "report this with the log")

    def _decode(self, job: Job, piece: Piece, log_probs: np.ndarray) -> Transcript | AsrError:
        try:
            duration = len(piece.samples) / job.recognizer.sample_rate
            return transcript_of(job.decoder.decode(log_probs)[0], duration)
        except AsrError as error:
            return error
        except Exception as error:
            LOGGER.exception("a piece could not be decoded")
            return AsrError("recording", f"could not be decoded ({type(error).__name__})", "report this with the log")


def _settling(future: asyncio.Future[Transcript]) -> Listener:
    def settle(outcome: Transcript | AsrError) -> None:
        if future.done():
            return
        if isinstance(outcome, AsrError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    return settle
