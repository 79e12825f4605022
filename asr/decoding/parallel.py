"""Many utterances over several processes; the result does not depend on how many. T: frames, V: units."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from numpy.typing import NDArray

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import Hypothesis
from asr.errors import AsrError, DecodingError

Utterances = Iterable[tuple[str, NDArray[np.floating]]]
Outcome = list[Hypothesis] | AsrError
QUEUED_PER_PROCESS = 4  # enough that no process waits, few enough that the log-probabilities fit into memory

_decoder: Decoder | None = None  # of a worker process


def decode_all(
    make_decoder: Callable[[], Decoder], utterances: Utterances, processes: int = 1
) -> Iterator[tuple[str, Outcome]]:
    """Decode utterances, in their order.

    An utterance that cannot be decoded yields its error and does not stop the others.

    Args:
        make_decoder: builds the decoder, once in every process, for example a `DecoderRecipe`. A language model that
            it loads is memory-mapped, so the processes share one copy.
        utterances: (id, (T, V) log-probabilities); consumed as the work proceeds.
        processes: 1 decodes in this process.

    Raises:
        AsrError: the decoder cannot be built.
        DecodingError: a process died.
    """
    if processes <= 1:
        decoder = make_decoder()
        for utterance_id, log_probs in utterances:
            yield utterance_id, _outcome(decoder, utterance_id, log_probs)
        return
    make_decoder()  # a mistake in the options is reported here, once, and compiled code is on disk for the processes
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
    _decoder = make_decoder()


def _work(utterance_id: str, log_probs: NDArray[np.floating]) -> Outcome:
    assert _decoder is not None
    return _outcome(_decoder, utterance_id, log_probs)
