"""One tar shard in the WebDataset layout: what makes up an utterance lies together, under one key.

    <key>.json      the manifest's fields, the true id among them
    <key>.flac      its audio (or .opus), or
    <key>.npy       its features (T, F); at other playing speeds <key>.sp0.9.npy and so on

The layout is WebDataset's (Aizman, Maltby & Breuel 2019, "High performance I/O for large scale deep learning"): members
that follow each other and share the name up to the first dot are one sample. A shard is plain ustar with fixed owner
and time, so equal utterances make equal bytes. The consecutive bytes of one sample, headers and padding included, are
its span: what one read fetches and one checksum covers.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from asr.errors import CorpusError

BLOCK = tarfile.BLOCKSIZE  # 512 bytes: headers and padded contents are whole blocks
END = b"\0" * (2 * BLOCK)  # two blocks of zeros end a tar
LONGEST_KEY = 64  # ustar names hold 100 bytes, and suffixes follow
REGULAR, PAX = (b"0", b"\0"), (b"x", b"g")
READ_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """Where one sample lies in its shard.

    Attributes:
        key: name of its members up to the first dot.
        offset: of its first header.
        size: bytes to the end of its last member's padding.
        crc32: of those bytes.
        files: suffix (without the first dot) -> content.
    """

    key: str
    offset: int
    size: int
    crc32: int
    files: dict[str, bytes]


def shard_key(id: str) -> str:
    """A tar-safe name for an utterance id, without dots and slashes; different ids get different keys.

    Letters, digits, "_" and "-" stay; every other byte of UTF-8 becomes %XX. A key that would be too long ends in a
    hash of the id instead.
    """
    safe = re.sub(rb"[^A-Za-z0-9_-]", lambda match: b"%%%02X" % match[0][0], id.encode()).decode()
    if len(safe) <= LONGEST_KEY:
        return safe
    return safe[: LONGEST_KEY - 33] + "~" + hashlib.blake2b(id.encode(), digest_size=16).hexdigest()


class ShardWriter:
    """Appends samples to one tar.

    Args:
        stream: where the bytes go; the caller opens, syncs and renames it.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    def append(self, key: str, files: Mapping[str, bytes]) -> Span:
        """Write the members of one sample, in the order given."""
        packed = b"".join(pack(f"{key}.{suffix}", content) for suffix, content in files.items())
        span = Span(key, self.size, len(packed), zlib.crc32(packed), dict(files))
        self._write(packed)
        return span

    def close(self) -> str:
        """Write the end of the tar; returns the SHA-256 of the whole."""
        self._write(END)
        return self._digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._digest.update(data)
        self.size += len(data)


def pack(name: str, content: bytes) -> bytes:
    """One tar member: header, content, padding."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % BLOCK)


def unpack(packed: bytes, place: str) -> dict[str, bytes]:
    """The files of one sample's span, by suffix.

    Args:
        packed: the span's bytes.
        place: names shard and sample in messages.

    Raises:
        CorpusError: the bytes are not whole tar members of one sample.
    """
    files: dict[str, bytes] = {}
    position = 0
    while position < len(packed):
        name, size, kind = _header(packed[position : position + BLOCK], place)
        content = packed[position + BLOCK : position + BLOCK + size]
        if len(content) < size:
            raise CorpusError(place, "is cut in the middle of a member", "copy the shard again or write it anew")
        position += BLOCK + _padded(size)
        if kind in REGULAR:
            files[_split(name)[1]] = content
    return files


def scan(stream: BinaryIO, place: str) -> Iterator[Span]:
    """Read a tar from its beginning to its end, a sample at a time.

    Args:
        stream: binary, read forward only.
        place: the shard's name, for messages.

    Raises:
        CorpusError: the tar is cut or damaged; the message says about which sample and at which byte.
    """
    source = _Forward(stream, place)
    key, packed, begin = "", b"", 0
    while True:
        header, at = source.block(key)
        if header == END[:BLOCK]:
            break
        name, size, kind = _header(header, f"{place}, byte {at}")
        member = header + source.take(_padded(size), key)
        own = _split(name)[0] if kind in REGULAR else None
        if kind not in REGULAR + PAX:
            raise CorpusError(f"{place}, byte {at}", f"{name} is no plain file", "write the shards with 'asr shard'")
        if own is not None and own != key:
            if key:
                yield _span(key, begin, packed, place)
            key, packed, begin = own, source.pending + member, at - len(source.pending)
            source.pending = b""
        elif own is None:
            source.pending += member  # what a PAX header says belongs to the member after it
        else:
            packed += source.pending + member
            source.pending = b""
    if key:
        yield _span(key, begin, packed, place)


class _Forward:
    """Reads whole blocks of a tar and says where it was cut."""

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self._stream, self._place = stream, place
        self._position = 0
        self.pending = b""

    def block(self, last_key: str) -> tuple[bytes, int]:
        at = self._position
        return self.take(BLOCK, last_key), at

    def take(self, count: int, last_key: str) -> bytes:
        data = self._stream.read(count)
        self._position += len(data)
        if len(data) < count:
            after = f"in or after sample {last_key!r}" if last_key else "in its first sample"
            raise CorpusError(
                self._place, f"is cut at byte {self._position}, {after}", "copy the shard again or write it anew"
            )
        return data


def _span(key: str, offset: int, packed: bytes, place: str) -> Span:
    return Span(key, offset, len(packed), zlib.crc32(packed), unpack(packed, f"{place}, sample {key!r}"))


def _header(block: bytes, place: str) -> tuple[str, int, bytes]:
    """Name, size and type of a member; POSIX.1-1988 ustar: octal numbers, checksum with its own field as spaces."""
    try:
        if len(block) < BLOCK:
            raise ValueError("incomplete")
        expected = int(block[148:156].strip(b"\0 ") or b"-1", 8)
        if sum(block[:148]) + 256 + sum(block[156:]) != expected:
            raise ValueError("its checksum is wrong")
        name = block[:100].rstrip(b"\0").decode()
        return name, int(block[124:136].strip(b"\0 ") or b"0", 8), block[156:157]
    except ValueError as error:
        raise CorpusError(place, f"is not a tar header ({error})", "copy the shard again or write it anew") from None


def _split(name: str) -> tuple[str, str]:
    """Key and suffix of a member: the name is split at the first dot after the last slash, as WebDataset does."""
    folder, slash, file = name.rpartition("/")
    key, _, suffix = file.partition(".")
    return folder + slash + key, suffix


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
