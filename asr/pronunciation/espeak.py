"""Pronunciations by espeak-ng, which has rules for more than a hundred languages and so never lacks a word.

The shared library is that of `espeakng-loader`, called through ctypes: `espeak_TextToPhonemes` with phonemes in IPA,
separated (speak_lib.h). Marks of stress and of a change of language are dropped.
"""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Any

from asr.errors import CorpusError, MissingExtraError, UsageError

SYNCHRONOUS, DO_NOT_EXIT, UTF8 = 2, 0x8000, 1
SEPARATOR = "_"
IN_IPA = (ord(SEPARATOR) << 8) | 0x02
STRESS = re.compile("[ˈˌ]|\\([a-z-]+\\)|[\u200d\u0361]")  # and (en), a zero-width joiner, a tie


@cache
def _library() -> Any:
    try:
        import espeakng_loader  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("espeakng-loader", "phones") from None
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(SYNCHRONOUS, 0, ctypes.c_char_p(data), DO_NOT_EXIT) <= 0:
        raise CorpusError(data.decode(), "espeak-ng does not start", "reinstall espeakng-loader")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return library


def pronounce(word: str, language: str) -> tuple[str, ...]:
    """The phones of a word, in IPA without stress; none where there is nothing to say, as of punctuation.

    Args:
        word: spelled as usual; capitals do not matter.
        language: a voice of espeak-ng, such as "en-us", "de", "fr".

    Raises:
        MissingExtraError: `espeakng-loader` is not installed.
        UsageError: espeak-ng does not know the language.
    """
    library = _library()
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        raise UsageError("--language", f"{language!r} is not known to espeak-ng", "give one such as en-us, de, fr")
    rest = ctypes.c_char_p(word.lower().encode())
    clauses = []
    while rest.value is not None:
        said = library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, IN_IPA)
        clauses.append(said.decode() if said else "")
    symbols = re.split(f"[{SEPARATOR}\\s]+", SEPARATOR.join(clauses))
    return tuple(bare for symbol in symbols if (bare := STRESS.sub("", symbol)))
