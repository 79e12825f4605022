"""A recording of any length as blocks at one rate, in bounded memory: decoded, mixed down, resampled and checked.

Shapes: N samples of one channel, C channels; times in seconds, sample counts only in here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from types import TracebackType
from typing import Literal

import numpy as np

from asr.audio.mixing import Mixer
from asr.audio.opening import Opened, Source, open_sound
from asr.audio.sounds import Damage, Sound
from asr.errors import AudioError

log = logging.getLogger("asr")

BLOCK_FRAMES = 4096  # decoded at once; a damaged file keeps all blocks before the damage
FULL_SCALE = 32767 / 32768  # the largest positive sample of 16-bit audio
CLIPPED_SHARE = 1e-3  # this share of samples at full scale is worth a warning
SPAN_TOLERANCE = 0.05  # seconds an utterance may pass the end of its recording before it counts as cut
Channel = int | Literal["mix"]


def warn_of_clipping(name: str, share: float) -> None:
    """What is done about a clipped recording unless the caller says otherwise."""
    log.warning("%s: %.2f %% of the samples are clipped", name, 100 * share)


class AudioStream:
    """Blocks of a recording, to be gone through once; made by `open_stream`.

    Attributes:
        name: of the recording, for messages.
        sample_rate: Hz of the blocks.
        source_rate: Hz of the recording.
        channels: how many the recording has.
        duration: seconds that the blocks will have together, as far as the file tells; None where it does not.
    """

    def __init__(
        self,
        opened: Opened,
        sample_rate: int,
        channel: Channel,
        start: float,
        end: float | None,
        strict: bool,
        max_seconds: float | None,
        on_clipping: Callable[[str, float], None],
    ) -> None:
        self._resources = ExitStack()
        sound = opened.sound
        self._sound, self._strict, self._on_clipping, self._max_seconds = sound, strict, on_clipping, max_seconds
        self.name, self.sample_rate, self.source_rate = opened.name, sample_rate, sound.sample_rate
        self.channels = sound.channels
        if channel != "mix" and not 0 <= channel < sound.channels:
            raise AudioError(opened.name, f"has no channel {channel}", f"choose from 0 to {sound.channels - 1}")
        self._mixer = Mixer(opened.name, sound.channels, None if channel == "mix" else channel, live=opened.live)
        if opened.cut:
            self._tell(opened.cut)
        self._start = start
        self._begin, self._wanted = self._span(start, end)
        known = self._wanted if self._wanted is not None else None
        self.duration = None if known is None else known / sound.sample_rate

    def __enter__(self) -> AudioStream:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; iterating to the end does, too."""
        self._resources.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks (N,) float32 in -1..1; together they equal what `read_audio` gives.

        Raises:
            AudioError: damage before the first sample, non-finite samples, or anything missing while `strict`.
        """
        try:
            yield from self._resampled(self._mixed())
        finally:
            self.close()

    def _span(self, start: float, end: float | None) -> tuple[int, int | None]:
        """First frame, and number of frames to read; None reads to the end of a file that does not state its length."""
        rate, frames = self.source_rate, self._sound.frames
        duration = None if end is None else end - start
        if not (start >= 0 and (duration is None or duration >= 0)):  # also refuses NaN
            raise AudioError(self.name, f"has no span of {duration} s from {start} s", "give times of 0 or more")
        present = frames / rate if frames >= 0 else float("inf")
        if start > present + SPAN_TOLERANCE:
            reason = f"ends at {present:.2f} s, before the span that starts at {start:.2f} s"
            raise AudioError(self.name, reason, "correct the times; 'asr validate' finds all such spans")
        wanted = present - start if duration is None else min(duration, present - start)
        if duration is not None and duration > wanted + SPAN_TOLERANCE:
            self._tell(f"ends {duration - wanted:.2f} s before the span of {duration:.2f} s does")
        if wanted == float("inf"):
            return round(start * rate), None
        if self._max_seconds is not None and wanted > self._max_seconds:
            raise _too_long(self.name, wanted, self._max_seconds)
        begin = round(start * rate)
        return begin, max(0, round((start + wanted) * rate) - begin)

    def _tell(self, what: str) -> None:
        if self._strict:
            raise AudioError(self.name, what, "copy it again, or read it without strict checking")
        log.warning("%s: %s; reading what is there", self.name, what)

    def _decoded(self) -> Iterator[np.ndarray]:
        """Blocks (N, C) of the span as the file has them."""
        done, rate = 0, self.source_rate
        most = None if self._max_seconds is None else int(self._max_seconds * rate)
        try:
            if self._begin:
                self._sound.skip(self._begin)
            while self._wanted is None or done < self._wanted:
                left = BLOCK_FRAMES if self._wanted is None else min(BLOCK_FRAMES, self._wanted - done)
                block = self._sound.read(left)
                if not len(block):
                    break
                done += len(block)
                if most is not None and done > most:
                    raise _too_long(self.name, done / rate, self._max_seconds or 0.0)
                yield block
        except Damage as damage:
            if not done:
                raise AudioError(self.name, f"cannot be decoded ({damage})", "copy it again or convert it") from None
            self._tell(f"is damaged or cut after {(self._begin + done) / rate:.2f} s")
        if self._sound.frames >= 0 and self._wanted is not None and done < self._wanted:
            self._tell(f"is cut: it declares {self._wanted / rate:.2f} s and holds {done / rate:.2f} s")
        if not done:
            log.warning("%s: holds no samples; its text will be empty", self.name)

    def _mixed(self) -> Iterator[np.ndarray]:
        """Blocks (N,) of one channel, of which all samples are numbers."""
        done = full = over = 0
        for block in self._mixer(self._decoded()):
            finite = np.isfinite(block)
            if not finite.all():
                where = self._start + (done + int(np.argmin(finite))) / self.source_rate
                reason = f"holds a non-finite sample at {where:.3f} s"
                raise AudioError(self.name, reason, "its encoder is at fault; export it again")
            size = np.abs(block)
            over += int(np.count_nonzero(size > 1.0))
            full += int(np.count_nonzero(size >= FULL_SCALE))
            done += len(block)
            yield block
        if over or full > CLIPPED_SHARE * done:
            self._on_clipping(self.name, full / done)

    def _resampled(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Blocks at the rate asked for, limited to -1..1."""
        if self.source_rate == self.sample_rate:
            for block in blocks:
                yield np.clip(block, -1.0, 1.0, dtype=np.float32)
            return
        import soxr  # type: ignore[import-untyped]

        notice_resampling(self.source_rate, self.sample_rate)
        resampler = soxr.ResampleStream(self.source_rate, self.sample_rate, 1, dtype="float32", quality="HQ")
        for block in blocks:
            done = resampler.resample_chunk(np.ascontiguousarray(block))
            if len(done):
                yield np.clip(done, -1.0, 1.0, dtype=np.float32)
        rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        if len(rest):
            yield np.clip(rest, -1.0, 1.0, dtype=np.float32)


def open_stream(
    source: Source,
    *,
    sample_rate: int,
    channel: Channel = "mix",
    start: float = 0.0,
    end: float | None = None,
    raw_rate: int | None = None,
    strict: bool = False,
    max_seconds: float | None = None,
    on_clipping: Callable[[str, float], None] = warn_of_clipping,
) -> AudioStream:
    """Open a recording to be read block by block, however long it is.

    Args:
        source: path, or a binary file object; raw PCM, and WAV that is being written, are read live out of a pipe.
        sample_rate: Hz of the blocks; another rate is resampled with soxr at high quality.
        channel: which channel, counted from 0, or "mix", the average of all.
        start: where to begin, in seconds.
        end: where to stop, in seconds; None reads to the end.
        raw_rate: Hz of raw 16-bit little-endian mono PCM without a header.
        strict: whether a cut or damaged file is an error rather than a warning.
        max_seconds: longest span accepted; None accepts any.
        on_clipping: told the name of a clipped recording and the share of its samples at full scale.

    Raises:
        AudioError: unreadable, no such span or channel, too long, or cut while `strict`.
    """
    with ExitStack() as stack:
        opened = stack.enter_context(open_sound(source, raw_rate=raw_rate))
        stream = AudioStream(opened, sample_rate, channel, start, end, strict, max_seconds, on_clipping)
        stream._resources = stack.pop_all()
        return stream


def count_frames(sound: Sound) -> int:
    """Samples of one channel of a recording that does not state them, counted by decoding it."""
    frames = 0
    try:
        while count := len(sound.read(1 << 16)):
            frames += count
    except Damage:
        pass  # whoever reads the samples will be told
    return frames


def _too_long(name: str, seconds: float, max_seconds: float) -> AudioError:
    reason = f"is {seconds / 3600:.2f} h long, over the limit of {max_seconds / 3600:.2f} h"
    return AudioError(name, reason, "cut it into shorter files or raise the limit")


@lru_cache(maxsize=64)
def notice_resampling(from_rate: int, to_rate: int) -> None:
    """Say once in a process that audio of this rate is resampled."""
    log.info("audio at %d Hz is resampled to %d Hz", from_rate, to_rate)
