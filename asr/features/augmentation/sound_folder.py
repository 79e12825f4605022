"""Recordings under a folder to draw from: noises, or impulse responses of rooms.

Shapes: M samples.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np

from asr.audio.finding import OF_LIBSNDFILE
from asr.audio.reading import audio_info
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, CorpusError
from asr.features.waves import Waves

LOGGER = logging.getLogger("asr")
PIECE = 20.0  # seconds; a longer recording is drawn from in pieces, so that an hour of noise is not read for a word
SILENT = 1e-4  # peak under which a recording counts as silence: -80 dB of full scale
CHECKED = 3600.0  # seconds of recordings that are looked at before training; of more, the rest when it is drawn
EDGE = 1e-3  # share of the peak under which the ends of a recording are cut off


class SoundFolder:
    """Audio files under a folder, in pieces of at most 20 seconds, each as likely as any other.

    Args:
        folder: searched with its subfolders.
        pattern: names of the files to take.
        sample_rate: Hz of what is drawn.
        cache_bytes: memory for recordings that were read before.
        what: they are, for messages.

    Raises:
        CorpusError: the folder is missing or holds no sound.
    """

    def __init__(
        self, folder: str | Path, pattern: str, sample_rate: int, cache_bytes: int, what: str = "noise recordings"
    ) -> None:
        remedy = f"name a folder of {what}"
        if not Path(folder).is_dir():
            raise CorpusError(folder, "is not a folder", remedy)
        paths = sorted(path for path in Path(folder).rglob(pattern) if path.suffix.lower() in OF_LIBSNDFILE)
        if not paths:
            raise CorpusError(folder, f"holds no audio files that match '{pattern}'", remedy)
        pieces = [piece for path in paths for piece in _pieces(path)]
        if not pieces:
            raise CorpusError(folder, "holds no audio file that can be read", remedy)
        self.files = len(paths)
        self._names = [piece.id for piece in pieces]
        self._waves = Waves(pieces, sample_rate, cache_bytes, whole_steps=False)
        self._useless: set[str] = set()
        self._nothing = CorpusError(folder, f"holds nothing but silence in {len(paths)} files", remedy)
        self._check(pieces)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """One recording or piece (M,) float32 without the silence at its ends; the next one where it is silent.

        Raises:
            CorpusError: no recording has any sound.
        """
        drawn = int(generator.integers(len(self._names)))
        for name in self._names[drawn:] + self._names[:drawn]:
            sound = self._usable(name)
            if sound is not None:
                return sound
        raise self._nothing

    def _check(self, pieces: list[Utterance]) -> None:
        """Read up to CHECKED seconds, which also fills the cache for all processes to come, until there is sound."""
        seconds, sounds = 0.0, False
        for piece in pieces:
            if sounds and seconds > CHECKED:
                return
            sounds = self._usable(piece.id) is not None or sounds
            seconds += piece.duration
        if not sounds:
            raise self._nothing

    def _usable(self, name: str) -> np.ndarray | None:
        """The sound in a piece; None, with a warning the first time, where it is silent or unreadable."""
        if name in self._useless:
            return None
        try:
            wave = self._waves[name]
            sounding = np.flatnonzero(np.abs(wave) > max(SILENT, EDGE * np.abs(wave).max(initial=0.0)))
            if len(sounding):
                return wave[sounding[0] : sounding[-1] + 1]
            LOGGER.warning("%s: is silent; skipped", name)
        except AsrError as error:
            LOGGER.warning("%s; skipped", error)
        self._useless.add(name)
        return None


def _pieces(path: Path) -> list[Utterance]:
    """A recording as utterances of at most PIECE seconds; none, with a warning, where it is unreadable."""
    try:
        duration = audio_info(path).duration
    except AsrError as error:
        LOGGER.warning("%s; skipped", error)
        return []
    if not 0.0 < duration < float("inf"):
        LOGGER.warning("%s: does not say how long it is; skipped", path)
        return []
    count = int(np.ceil(duration / PIECE))
    starts = np.linspace(0.0, duration, count + 1)
    return [
        Utterance(f"{path}@{begin:g}", str(path), float(begin), float(end - begin)) for begin, end in pairwise(starts)
    ]
