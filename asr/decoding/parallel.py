"""Many utterances over several processes; the result does not depend on how many. T: frames, V: units."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from asr.decoding.decoder import Decoder
from asr.decoding.results.hypothesis import Hypothesis
from asr.errors import AsrError, DecodingError
from asr.progress import setup_logging

Utterances = Iterable[tuple[str, NDArray[np.floating]]]
Outcome = list[Hypothesis] | AsrError
QUEUED_PER_PROCESS = 4  # enough that no process waits, few enough that the log-probabilities fit into memory
WORTHWHILE = 3.0  # seconds of work; another process takes about as long to start, and must be waited for in the end
TRIED = 0.1  # seconds of work from which the rest of a set is estimated

_decoder: Decoder | None = None  # of a worker process


def decode_all(
    make_decoder: Callable[[], Decoder], utterances: Utterances, processes: int = 1, built: Decoder | None = None
) -> Iterator[tuple[str, Outcome]]:
    """Decode utterances, in their order.

    An utterance that cannot be decoded yields its error and does not stop the others.

    Args:
        make_decoder: builds the decoder, once in every process, for example a `DecoderRecipe`. A language model that
            it loads is memory-mapped, so the processes share one copy.
        utterances: (id, (T, V) log-probabilities); consumed as the work proceeds.
        processes: that work at the same time, this one among them; the others are started once the work that is left
            is seen to be worth it, or where their number is not known, the work so far was.
        built: what `make_decoder` builds, where the caller has it already.

    Raises:
        AsrError: the decoder cannot be built.
        DecodingError: a process died.
    """
    decoder = built or make_decoder()
    remaining = iter(utterances)
    total = len(utterances) if isinstance(utterances, Sized) else None
    spent = 0.0
    # The first one is decoded here in any case, so that compiled code is on disk before other processes look for it; it
    # may have waited for the compiler, so it says nothing about the others.
    for index, (utterance_id, log_probs) in enumerate(remaining):
        started = time.monotonic()
        outcome = _outcome(decoder, utterance_id, log_probs)
        spent += time.monotonic() - started if index else 0.0
        yield utterance_id, outcome
        if processes > 1 and _is_worthwhile(spent, index, total):
            yield from _decode_with_others(make_decoder, decoder, remaining, processes - 1)


def _is_worthwhile(spent: float, done: int, total: int | None) -> bool:
    """Whether to start other processes after so many seconds and utterances, not counting the first of `total`."""
    if total is None:
        return spent >= WORTHWHILE
    return spent >= min(TRIED, WORTHWHILE) and spent * (total - 1 - done) >= WORTHWHILE * done


def _decode_with_others(
    make_decoder: Callable[[], Decoder], decoder: Decoder, utterances: Utterances, others: int
) -> Iterator[tuple[str, Outcome]]:
    """Keep the other processes busy, and decode here what they have no room for, also while they start."""
    # Forked processes would inherit the locks of threads that they do not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(others, context, initializer=_start_worker, initargs=(make_decoder,)) as pool:
        waiting: deque[tuple[str, Future[Outcome]]] = deque()
        sent: list[Future[Outcome]] = []
        try:
            for utterance_id, log_probs in utterances:
                sent = [future for future in sent if not future.done()]
                if len(sent) < QUEUED_PER_PROCESS * others:
                    future = _send(pool, utterance_id, log_probs)
                    sent.append(future)
                else:
                    future = Future()
                    future.set_result(_outcome(decoder, utterance_id, log_probs))
                waiting.append((utterance_id, future))
                while waiting and waiting[0][1].done():
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _send(pool: ProcessPoolExecutor, utterance_id: str, log_probs: NDArray[np.floating]) -> Future[Outcome]:
    try:
        return pool.submit(_work, utterance_id, log_probs)
    except BrokenProcessPool:
        raise _died(utterance_id) from None


def _result(utterance_id: str, future: Future[Outcome]) -> tuple[str, Outcome]:
    try:
        return utterance_id, future.result()
    except BrokenProcessPool:
        raise _died(utterance_id) from None


def _died(utterance_id: str) -> DecodingError:
    remedy = "try fewer processes, or more memory"
    return DecodingError(utterance_id, "was being decoded when a process died", remedy)


def _outcome(decoder: Decoder, utterance_id: str, log_probs: NDArray[np.floating]) -> Outcome:
    try:
        return decoder.decode(log_probs)
    except AsrError as error:
        return type(error)(f"{utterance_id}: {error.subject}", error.reason, error.remedy)


def _start_worker(make_decoder: Callable[[], Decoder]) -> None:
    global _decoder
    with repeating():
        _decoder = make_decoder()


@contextmanager
def repeating() -> Iterator[None]:
    """In a worker process: log as the command does, but not the warnings of what its parent has built before."""
    setup_logging()
    logger = logging.getLogger("asr")
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(logging.NOTSET)


def _work(utterance_id: str, log_probs: NDArray[np.floating]) -> Outcome:
    assert _decoder is not None
    return _outcome(_decoder, utterance_id, log_probs)
