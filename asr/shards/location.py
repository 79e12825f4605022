"""A folder of files, here or behind a URL: read in ranges, so that a broken connection costs one range and not a file.

Local folders need nothing but Python. URLs (https://, s3://, gs://, memory:// ...) go through fsspec, the extra
`remote`; object stores also need the package that fsspec names.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from asr.errors import CorpusError, MissingExtraError, UsageError

log = logging.getLogger("asr")

RANGE = 8 << 20  # bytes asked for at once; what is held in memory beside the result
ATTEMPTS = 5
FIRST_PAUSE = 0.5  # seconds before the second attempt; doubled each time


class Location:
    """Files of one folder, read only; can be sent to worker processes.

    Args:
        address: a path, or a URL with a scheme.

    Raises:
        MissingExtraError: a URL, and fsspec is not installed.
        UsageError: no file system serves the URL's scheme.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address).rstrip("/")
        self.remote = "://" in self.address
        self._system: tuple[int, Any] | None = None
        if self.remote:
            self._connect()

    def name(self, file: str) -> str:
        """How messages call a file."""
        return f"{self.address}/{file}"

    def read(self, file: str) -> bytes:
        """The whole of a small file.

        Raises:
            CorpusError: missing, or unreadable after several attempts.
        """
        if not self.remote:
            with self._local(file) as stream:
                return stream.read()
        data: bytes = self._attempt(file, lambda system, path: system.cat_file(path))
        return data

    def size(self, file: str) -> int:
        """Bytes of a file.

        Raises:
            CorpusError: as `read`.
        """
        if not self.remote:
            with self._local(file) as stream:
                return stream.seek(0, os.SEEK_END)
        return int(self._attempt(file, lambda system, path: system.size(path)))

    def ranges(self, file: str, begin: int, end: int) -> Iterator[bytes]:
        """Bytes `begin` to `end` of a file in consecutive pieces of at most RANGE.

        Each piece is a request of its own: after a broken connection only that piece is asked for again.

        Raises:
            CorpusError: as `read`, or the file ends before `end`.
        """
        if self.remote:
            for start in range(begin, end, RANGE):
                yield self._piece(file, start, min(end, start + RANGE))
            return
        with self._local(file) as stream:
            stream.seek(begin)
            for start in range(begin, end, RANGE):
                piece = stream.read(min(RANGE, end - start))
                if len(piece) < min(RANGE, end - start):
                    raise self._short(file, start + len(piece), end)
                yield piece

    def stream(self, file: str) -> BinaryIO:
        """The whole file, to be read forward in bounded memory; close it afterwards.

        Raises:
            CorpusError: as `read`; while reading too.
        """
        if not self.remote:
            return self._local(file)
        return io.BufferedReader(_Pieces(self.ranges(file, 0, self.size(file))), RANGE)

    def fetch(self, file: str) -> Path:
        """A local path with the file's content: itself, or a temporary copy that goes when this object does."""
        if not self.remote:
            self._local(file).close()
            return Path(self.address) / file
        descriptor, copy = tempfile.mkstemp(prefix="asr-", suffix=f"-{file}")
        weakref.finalize(self, _remove, copy, os.getpid())
        with os.fdopen(descriptor, "wb") as target, self.stream(file) as source:
            shutil.copyfileobj(source, target, RANGE)
        return Path(copy)

    def copies(self, files: Iterable[str]) -> Path:
        """A local folder with those of some small files that exist: itself, or a temporary one as for `fetch`."""
        if not self.remote:
            return Path(self.address)
        folder = Path(tempfile.mkdtemp(prefix="asr-"))
        weakref.finalize(self, _remove, str(folder), os.getpid())
        for file in files:
            if self._attempt(file, lambda system, path: system.exists(path)):
                (folder / file).write_bytes(self.read(file))
        return folder

    def _local(self, file: str) -> BinaryIO:
        path = Path(self.address) / file
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise _missing(str(path)) from None
        except OSError as error:
            raise CorpusError(
                path, f"cannot be read ({error.strerror})", "check the path and its permissions"
            ) from None

    def _piece(self, file: str, begin: int, end: int) -> bytes:
        def read(system: Any, path: str) -> bytes:
            data: bytes = system.cat_file(path, start=begin, end=end)
            if len(data) != end - begin:
                raise OSError(f"{len(data)} bytes came where bytes {begin} to {end} were asked for")
            return data

        piece: bytes = self._attempt(file, read)
        return piece

    def _attempt(self, file: str, work: Any) -> Any:
        """Do some reading; again, after growing pauses, when the connection fails."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            system, root = self._connect()
            try:
                return work(system, f"{root}/{file}")
            except FileNotFoundError:
                raise _missing(self.name(file)) from None
            except PermissionError as error:
                raise CorpusError(self.name(file), f"may not be read ({error})", "check your credentials") from None
            except Exception as error:  # each file system has its own kinds of failure
                reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
                if attempt == ATTEMPTS:
                    remedy = "check the connection and that the server answers range requests"
                    raise CorpusError(
                        self.name(file), f"cannot be read after {attempt} attempts ({reason})", remedy
                    ) from None
                log.warning("%s: %s; attempt %d of %d", self.name(file), reason, attempt + 1, ATTEMPTS)
                time.sleep(pause)
                pause *= 2
        raise AssertionError("unreachable")

    def _connect(self) -> tuple[Any, str]:
        """fsspec's file system for this process (a connection does not survive a fork), and the folder's path in it."""
        if self._system is None or self._system[0] != os.getpid():
            try:
                import fsspec
            except ImportError:
                raise MissingExtraError("fsspec", "remote") from None
            try:
                self._system = (os.getpid(), fsspec.url_to_fs(self.address))
            except (ImportError, ValueError) as error:
                reason = f"cannot be opened ({' '.join(str(error).split())})"
                raise UsageError(self.address, reason, "give a folder or a URL that fsspec knows") from None
        system, root = self._system[1]
        return system, root.rstrip("/")

    def _short(self, file: str, have: int, end: int) -> CorpusError:
        reason = f"ends at byte {have}, where byte {end} is expected"
        return CorpusError(self.name(file), reason, "copy the shard again or write it anew")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_system": None}


class _Pieces(io.RawIOBase):
    """Consecutive pieces as one forward stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _missing(name: str) -> CorpusError:
    return CorpusError(name, "does not exist", "write the shards with 'asr shard', or check the address")


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker must not take its parent's file away
        shutil.rmtree(path, ignore_errors=True) if Path(path).is_dir() else Path(path).unlink(missing_ok=True)
