"""Many utterances over several processes; the result does not depend on how many. T: frames, V: units."""

from __future__ import annotations

import logging
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import Hypothesis
from asr.errors import AsrError, DecodingError
from asr.progress import setup_logging

Utterances = Iterable[tuple[str, NDArray[np.floating]]]
Outcome = list[Hypothesis] | AsrError
QUEUED_PER_PROCESS = 4  # enough that no process waits, few enough that the log-probabilities fit into memory

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
        processes: 1 decodes in this process.
        built: what `make_decoder` builds, where the caller has it already.

    Raises:
        AsrError: the decoder cannot be built.
        DecodingError: a process died.
    """
    decoder = built or make_decoder()
    remaining = iter(utterances)
    # The first one is decoded here in any case, so that compiled code is on disk before the processes look for it.
    for utterance_id, log_probs in islice(remaining, 1 if processes > 1 else None):
        yield utterance_id, _outcome(decoder, utterance_id, log_probs)
    if processes > 1:
        yield from _decode_in_processes(make_decoder, remaining, processes)


def _decode_in_processes(
    make_decoder: Callable[[], Decoder], utterances: Utterances, processes: int
) -> Iterator[tuple[str, Outcome]]:
    # Forked processes would inherit the locks of threads that they do not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=(make_decoder,)) as pool:
        waiting: deque[tuple[str, Future[Outcome]]] = deque()
        try:
            for utterance_id, log_probs in utterances:
                waiting.append((utterance_id, pool.submit(_work, utterance_id, log_probs)))
                if len(waiting) >= QUEUED_PER_PROCESS * processes:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _result(utterance_id: str, future: Future[Outcome]) -> tuple[str, Outcome]:
    try:
        return utterance_id, future.result()
    except BrokenProcessPool:
        raise DecodingError(
            utterance_id, "was being decoded when a process died", "try fewer processes, or more memory"
        ) from None


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
