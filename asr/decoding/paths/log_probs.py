"""Log-probabilities of utterances: what they must be, and the file that caches them. T frames, V units.

The file is an `.npz` archive: one float16 or float32 array (T, V) an utterance, and a JSON entry that says in which
units they are, how many seconds a frame lasts and in what order the utterances came. It is read without pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import DecodingError
from asr.files import atomic_write

META_ENTRY = "meta.json"
BLOCK = 4096  # frames summed at a time: an hour of audio and thousands of units take no memory to speak of
NORMALISATION_TOLERANCE = 0.02  # float16 caches of thousands of units are off by about 0.005


@dataclass(frozen=True)
class LogProbsMeta:
    """What a decoder must know about cached log-probabilities.

    Attributes:
        units: path of the `units.txt` they are spelled in.
        seconds_per_frame: of the acoustic model's output.
        ids: utterance ids in the order they were written.
    """

    units: str
    seconds_per_frame: float
    ids: list[str]


def check_log_probs(log_probs: NDArray[np.floating], units: int, subject: str = "log-probabilities") -> None:
    """Refuse what cannot be decoded.

    Args:
        log_probs: (T, V); T may be 0.
        units: the V that the decoder expects.
        subject: named in the error, for example an utterance id.

    Raises:
        DecodingError: wrong shape or type, NaN, +inf, or a row whose probabilities do not sum to 1.
    """
    check_shape(log_probs, units, subject)
    if log_probs.shape[0] == 0:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = (log_probs[first : first + BLOCK] for first in range(0, len(log_probs), BLOCK))
        sums = np.concatenate([np.exp(block, dtype=np.float32).sum(axis=1) for block in blocks])
        wrong = ~(np.abs(sums - 1.0) <= NORMALISATION_TOLERANCE)  # a NaN compares false, hence the negation
    if wrong.any():
        frame = int(np.argmax(wrong))
        reason = "is NaN" if np.isnan(sums[frame]) else f"sums to {sums[frame]:.4g} and not to 1"
        raise DecodingError(subject, f"frame {frame} {reason}", "pass the output of a log-softmax")


def check_shape(log_probs: NDArray[np.floating], units: int, subject: str = "log-probabilities") -> None:
    """The part of `check_log_probs` that does not look at the values.

    Raises:
        DecodingError: wrong shape or type.
    """
    if not isinstance(log_probs, np.ndarray) or log_probs.dtype.kind != "f":
        raise DecodingError(subject, "is not a floating-point numpy array", "pass log-probabilities of shape (T, V)")
    if log_probs.ndim != 2 or log_probs.shape[1] != units:
        shape = tuple(log_probs.shape)
        raise DecodingError(
            subject, f"has shape {shape} where (T, {units}) is needed", "decode with the units of the acoustic model"
        )


def write_log_probs(
    path: str | Path,
    utterances: Iterable[tuple[str, NDArray[np.floating]]],
    *,
    units: str | Path,
    seconds_per_frame: float,
    dtype: str = "float32",
) -> int:
    """Write a cache, whole or not at all; `utterances` is consumed one by one.

    Returns:
        The number of utterances written.

    Raises:
        DecodingError: an id comes twice.
    """
    ids: dict[str, None] = {}
    with atomic_write(path, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for utterance_id, log_probs in utterances:
            if utterance_id in ids:
                raise DecodingError(utterance_id, "comes twice", "give every utterance an id of its own")
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(log_probs, dtype=dtype), allow_pickle=False)
            archive.writestr(f"{len(ids)}.npy", buffer.getvalue())
            ids[utterance_id] = None
        meta = LogProbsMeta(str(units), seconds_per_frame, list(ids))
        archive.writestr(META_ENTRY, json.dumps(asdict(meta)))
    return len(ids)


def read_meta(path: str | Path) -> LogProbsMeta:
    """Read only the description of a cache.

    Raises:
        DecodingError: not a cache of log-probabilities.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return LogProbsMeta(**json.loads(archive.read(META_ENTRY)))
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def read_log_probs(path: str | Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield (utterance id, (T, V) float32) in the order they were written, one in memory at a time.

    Raises:
        DecodingError: not a cache of log-probabilities, or a damaged one.
    """
    yield from LogProbs(read_meta(path).ids, path)


class LogProbs:
    """Utterances of a cache in any order; each is read when it is reached.

    Args:
        ids: in the order wanted; those that the cache lacks are left out.
        path: of the cache.

    Attributes:
        ids: of the utterances, in that order.

    Raises:
        DecodingError: not a cache of log-probabilities, or a damaged one, also while it is read.
    """

    def __init__(self, ids: Sequence[str], path: str | Path) -> None:
        self.path = path
        self._entries = {name: f"{number}.npy" for number, name in enumerate(read_meta(path).ids)}
        self.ids = {name: None for name in ids if name in self._entries}

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name in self.ids:
                    array = np.load(io.BytesIO(archive.read(self._entries[name])), allow_pickle=False)
                    yield name, array.astype(np.float32, copy=False)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise _unreadable(self.path, error) from None


def _unreadable(path: str | Path, error: Exception) -> DecodingError:
    return DecodingError(path, f"cannot be read as cached log-probabilities ({error})", "write it with 'asr decode'")
