"""What libsndfile does not read, through the ffmpeg program where it is installed: m4a, mp4, webm, amr, wma and so on.

Only files that begin like one of the kinds below are handed over: ffmpeg would take almost anything for something.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asr.audio.sounds import Damage, skip_reading

PROGRAM = "ffmpeg"
# Beginnings of files that hold sound which libsndfile does not read; of containers that it does read, those with other
# encodings alone, so that a broken file is not decoded twice.
BEGINNINGS = re.compile(
    rb"....(?:ftyp|moov|mdat|wide|free|skip)"  # MPEG-4, QuickTime, 3GP
    rb"|\x1aE\xdf\xa3"  # Matroska, WebM
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11"  # ASF: WMA, WMV
    rb"|#!AMR|FLV\x01|\.RMF|wvpk|MAC |TTA1|MPCK|MP\+|DSD |RIFF....AVI |\x00\x00\x01\xba|G.{187}G"
    rb"|OggS.{0,200}(?:Speex|theora)|caff.{28}(?:aac|ac-3|\.mp3|ilbc)"
    rb"|RIFF....WAVEfmt ....(?!\x01\0|\x02\0|\x03\0|\x06\0|\x07\0|\x11\0|\x31\0|\xfe\xff)"
    rb"|\xff[\xf0\xf1\xf8\xf9]|ADIF|\x0b\x77|\x7f\xfe\x80\x01|\x56[\xe0-\xff]",  # AAC, AC-3, DTS, LATM
    re.DOTALL,
)
LOOKED_AT = 256  # bytes of a file in which such a beginning is looked for


def looks_like_sound(head: bytes) -> bool:
    """Whether a file that begins so may hold sound that ffmpeg reads."""
    return BEGINNINGS.match(head) is not None


def program() -> str | None:
    """Path of the ffmpeg program; None where it is not installed."""
    return shutil.which(PROGRAM)


class FfmpegSound:
    """The first audio stream of a file, decoded by ffmpeg into a pipe.

    Args:
        path: of the file.
        executable: path of the program.

    Raises:
        Damage: ffmpeg finds no sound in it.
    """

    def __init__(self, path: str | Path, executable: str) -> None:
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        quiet = [executable, "-nostdin", "-hide_banner", "-v", "error", "-protocol_whitelist", "file,pipe"]
        wave = ["-map", "0:a:0", "-vn", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
        self._process: Any = subprocess.Popen(
            [*quiet, "-i", f"file:{os.fspath(path)}", *wave],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._messages,
        )  # fmt: skip
        try:
            pipe: Any = self._process.stdout
            self.sample_rate, self.channels = self._header(pipe)
            self.frames = _stated_frames(path, executable, self.sample_rate)
        except BaseException:
            self.close()
            raise

    def _header(self, pipe: BinaryIO) -> tuple[int, int]:
        """Rate and channels from the WAV header that ffmpeg writes."""
        head = pipe.read(12)
        rate = channels = 0
        while len(head) == 12 and len(chunk := pipe.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            if name == b"data":
                return rate, channels
            body = pipe.read(length + length % 2)
            if name == b"fmt ":
                channels, rate = struct.unpack("<HI", body[2:8])
        self._process.wait()
        raise Damage(self._complaint() or "no sound in it")

    def read(self, frames: int) -> np.ndarray:
        """See `Sound`."""
        data = self._process.stdout.read(frames * self.channels * 4)
        if not data and (complaint := self._ending()):
            raise Damage(complaint)
        whole = len(data) - len(data) % (4 * self.channels)
        return np.frombuffer(data[:whole], "<f4").reshape(-1, self.channels)

    def _ending(self) -> str:
        """What went wrong, once the program has ended."""
        code = self._process.wait()
        return self._complaint() or (f"ffmpeg ended with exit code {code}" if code else "")

    def _complaint(self) -> str:
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return " ".join(re.sub(r"^\[[^]]*\] ", "", lines[0]).split())[:200] if lines else ""

    def skip(self, frames: int) -> None:
        """See `Sound`."""
        skip_reading(self, frames)

    def close(self) -> None:
        """See `Sound`."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.stdout.close()
        self._process.wait()
        self._messages.close()


def _stated_frames(path: str | Path, executable: str, rate: int) -> int:
    """Frames by the duration that ffprobe tells; -1 without it."""
    probe = shutil.which("ffprobe", path=str(Path(executable).parent)) or shutil.which("ffprobe")
    if probe is None:
        return -1
    query = ["-v", "error", "-select_streams", "a:0", "-show_entries", "format=duration", "-of", "csv=p=0"]
    told = subprocess.run(
        [probe, *query, "-protocol_whitelist", "file,pipe", f"file:{os.fspath(path)}"],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    try:
        return max(-1, round(float(told.stdout) * rate))
    except ValueError:
        return -1
