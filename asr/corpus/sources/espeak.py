"""Speech from espeak-ng, the same samples every time: the shared library of `espeakng-loader`, called through ctypes.

espeak-ng keeps the phase of its flutter, echo and noise between utterances in global variables that neither
`espeak_Terminate` nor a new seed resets, so an utterance would depend on all that was spoken before it. Here a helper
process loads the library once and forks for each utterance: every one is the first that its process speaks.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from asr.errors import AsrError, CorpusError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np  # imported where it is used: a small helper process forks faster

# From espeak-ng's speak_lib.h.
AUDIO_OUTPUT_SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000  # on a failure to find its data, report instead of ending the process
RATE_PARAMETER, PITCH_PARAMETER = 1, 3
UTF8 = 1
FIRST_VOICE = b"en"
NOISE_SEED = 1
SYNTH_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

SAMPLE_RATE = 22050  # Hz, fixed by espeak-ng's phoneme data
ANSWER = struct.Struct("<q")  # number of bytes of 16-bit samples that follow; negative is a failure


@dataclass(frozen=True, slots=True)
class Speech:
    """One thing to say.

    Attributes:
        text: words; punctuation makes pauses.
        voice: accent, or accent and variant joined by "+", for example "en-gb-scotland+f3".
        rate: words a minute, 80 to 450.
        pitch: 0 to 99, 50 is the voice's own.
    """

    text: str
    voice: str
    rate: int = 175
    pitch: int = 50


def voice_variants() -> list[str]:
    """Names of the voice variants that come with the library, sorted."""
    folder = Path(_loader().get_data_path()) / "voices" / "!v"
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def library_version() -> str:
    """Version of the installed espeakng-loader: another one may speak other samples."""
    _loader()
    return version("espeakng-loader")


def speak(speeches: Iterable[Speech]) -> Iterator[np.ndarray]:
    """Yield the samples (N,) int16 at `SAMPLE_RATE` of each speech; equal speeches always give equal samples.

    Raises:
        MissingExtraError: espeakng-loader is not installed.
        CorpusError: the library cannot be loaded, or it does not know a voice.
    """
    import numpy as np

    _loader()
    helper = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert helper.stdin is not None and helper.stdout is not None
    try:
        for speech in speeches:
            helper.stdin.write(json.dumps(asdict(speech)).encode() + b"\n")
            helper.stdin.flush()
            header = helper.stdout.read(ANSWER.size)
            size = ANSWER.unpack(header)[0] if len(header) == ANSWER.size else -1
            if size < 0:
                reason = f"espeak-ng cannot say {speech.text!r}"
                raise CorpusError(speech.voice, reason, "reinstall espeakng-loader or choose another voice")
            yield np.frombuffer(helper.stdout.read(size), dtype=np.int16)
    except BrokenPipeError:
        raise CorpusError("espeak-ng", "its process ended", "reinstall espeakng-loader") from None
    finally:
        helper.stdin.close()
        helper.stdout.close()
        helper.wait()


def _loader() -> Any:
    try:
        import espeakng_loader
    except ImportError:
        raise MissingExtraError("espeakng-loader", "digits") from None
    return espeakng_loader


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The helper: answer each line of JSON with the samples that a forked child speaks."""
    loader = _loader()
    library = ctypes.CDLL(loader.get_library_path())
    data = loader.get_data_path().encode()
    if library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, data, DO_NOT_EXIT) != SAMPLE_RATE:
        raise CorpusError(loader.get_data_path(), "espeak-ng does not start", "reinstall espeakng-loader")
    library.espeak_SetVoiceByName(FIRST_VOICE)  # reads the list of voices once, not in every child
    for line in requests:
        speech = Speech(**json.loads(line))
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            with os.fdopen(writer, "wb") as stream:
                stream.write(_synthesise(library, speech))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        os.waitpid(child, 0)
        answers.write(answer or ANSWER.pack(-1))
        answers.flush()


def _synthesise(library: ctypes.CDLL, speech: Speech) -> bytes:
    """The answer for one speech; called once in the life of a process."""
    pieces: list[bytes] = []

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    library.espeak_ng_SetRandSeed(NOISE_SEED)  # otherwise the clock's: breathy voices would never repeat
    callback = SYNTH_CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(speech.voice.encode()) != 0:
        return ANSWER.pack(-1)
    library.espeak_SetParameter(RATE_PARAMETER, speech.rate, 0)
    library.espeak_SetParameter(PITCH_PARAMETER, speech.pitch, 0)
    text = speech.text.encode()
    if library.espeak_Synth(text, len(text) + 1, 0, 0, 0, UTF8, None, None) != 0:
        return ANSWER.pack(-1)
    library.espeak_Synchronize()
    samples = b"".join(pieces)
    return ANSWER.pack(len(samples)) + samples


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who called is interrupted too, and then closes our input
    try:
        _serve(sys.stdin.buffer, sys.stdout.buffer)
    except AsrError as error:
        sys.exit(f"asr: error: {error}")
    except BrokenPipeError:
        os._exit(1)  # who called has gone; the ordinary exit would try to write once more
