"""The models of a server: loaded in the background, reloaded without dropping a request, decoders for phrases kept."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr.decoding.decoder import Decoder
from asr.errors import AsrError, UsageError
from asr.serving.scheduler import Job
from asr.transcribing.recognizer import Recognizer

LOGGER = logging.getLogger("asr")
KEPT_DECODERS = 8  # with phrases, of each model
MOST_PHRASES, LONGEST_PHRASE = 200, 200


class ServedModel:
    """One loaded model and the decoders that requests asked of it."""

    def __init__(self, name: str, recognizer: Recognizer) -> None:
        self.name, self.recognizer = name, recognizer
        self._decoders: OrderedDict[tuple[str, ...], Decoder] = OrderedDict()
        self._lock = threading.Lock()

    def job(self, phrases: Sequence[str] = ()) -> Job:
        """A job of the scheduler, with a decoder that expects these phrases; building it may take a moment.

        Raises:
            AsrError: a phrase cannot be spelled.
        """
        return Job(self.recognizer, self._decoder(tuple(phrases)) if phrases else self.recognizer.decoder)

    def _decoder(self, phrases: tuple[str, ...]) -> Decoder:
        from asr.decoding.knowledge.phrases import DEFAULT_BOOST
        from asr.transcribing.choosing import DecoderChoice, decoder_recipe

        with self._lock:
            if phrases in self._decoders:
                self._decoders.move_to_end(phrases)
                return self._decoders[phrases]
            recipe = self.recognizer.recipe or decoder_recipe(self.recognizer.trained, DecoderChoice(beam=32))
            assert recipe is not None
            built = replace(recipe, phrases=dict.fromkeys(phrases, DEFAULT_BOOST))()
            self._decoders[phrases] = built
            while len(self._decoders) > KEPT_DECODERS:
                self._decoders.popitem(last=False)
            return built


class Models:
    """Model directories by name; the first one is the default.

    Args:
        directories: name -> model directory, or what `load_recognizer` takes for one.
        threads: CPU threads of each.
    """

    def __init__(self, directories: dict[str, Path], threads: int = 0) -> None:
        self.directories, self.threads = directories, threads
        self.loaded: dict[str, ServedModel] = {}
        self.failure: str | None = None

    @property
    def default(self) -> str:
        """Name of the model that is used where a request names none of these."""
        return next(iter(self.directories))

    @property
    def ready(self) -> bool:
        """Whether every model is loaded."""
        return len(self.loaded) == len(self.directories)

    def load(self) -> None:
        """Load every model, the default one first; a model that cannot be loaded is noted in `failure`."""
        for name in self.directories:
            try:
                self.reload(name)
            except AsrError as error:
                self.failure = str(error)
                LOGGER.error("%s", error)
                return

    def reload(self, name: str) -> None:
        """Load a model again; requests under way keep the one that they began with.

        Raises:
            AsrError: the model cannot be loaded; the one that is there stays.
        """
        from asr.transcribing.choosing import load_recognizer

        if name not in self.directories:
            raise UsageError(name, "is not a model of this server", f"choose from {', '.join(self.directories)}")
        recognizer = load_recognizer(self.directories[name], threads=self.threads)
        recognizer.transcribe_batch([np.zeros(recognizer.sample_rate, np.float32)])  # what compiles, compiles now
        self.loaded[name] = ServedModel(name, recognizer)
        LOGGER.info("model %s is loaded", name)

    def get(self, name: str) -> ServedModel:
        """A loaded model; names of OpenAI's models mean the default one.

        Raises:
            UsageError: unknown.
        """
        if name in ("", "default") or (name not in self.directories and name.startswith(("whisper", "gpt-4o"))):
            name = self.default
        if name not in self.loaded:
            raise UsageError(name, "is not a model of this server", f"choose from {', '.join(self.directories)}")
        return self.loaded[name]


def phrases_of(prompt: str) -> list[str]:
    """The phrases of a prompt: its parts between commas, semicolons, full stops and line ends, each once.

    Raises:
        UsageError: too many, or one too long.
    """
    for mark in ";.\n":
        prompt = prompt.replace(mark, ",")
    phrases = list(dict.fromkeys(" ".join(part.split()) for part in prompt.split(",") if part.strip()))
    if len(phrases) > MOST_PHRASES or any(len(phrase) > LONGEST_PHRASE for phrase in phrases):
        reason = f"has more than {MOST_PHRASES} phrases, or one of over {LONGEST_PHRASE} characters"
        raise UsageError("prompt", reason, "send the few names and terms that matter, separated by commas")
    return phrases
