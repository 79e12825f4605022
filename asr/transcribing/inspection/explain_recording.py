"""Run a model over one recording and explain what came of it, with a picture where one is asked for."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from asr.audio.reading import audio_info
from asr.errors import AsrError, UsageError
from asr.transcribing.inputs import STDIN, Recording, Selection
from asr.transcribing.inspection.explain import Explanation, explain
from asr.transcribing.inspection.picture import Gates, draw
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.transcript import Transcript, transcript_of

LOGGER = logging.getLogger("asr")


def explain_recording(
    recognizer: Recognizer,
    recording: Recording,
    selection: Selection,
    plot: Path | None = None,
    layer: int = 1,
    unit: int | None = None,
) -> tuple[Explanation, Transcript]:
    """Transcribe a recording and explain the transcript.

    Args:
        recognizer: model and decoder.
        recording: a file or standard input.
        selection: which part of it.
        plot: picture to write; None writes none.
        layer: LSTM layer whose gates are drawn, from 1.
        unit: its memory cell; None takes the one that holds on longest.

    Raises:
        AudioError: the recording cannot be read.
        UsageError: there is no such layer or cell, or too much to draw.
    """
    (track,) = selection.tracks(recording, recognizer.sample_rate)
    samples, units = track.whole(), recognizer.trained.units
    (log_probs,) = recognizer.log_probs([samples])
    hypothesis = recognizer.decoder.decode(log_probs)[0]
    transcript = transcript_of(hypothesis, len(samples) / recognizer.sample_rate)
    explanation = explain(samples, recognizer.sample_rate, log_probs, transcript, file_rate=_rate(recording))
    if plot is not None:
        gates = _gates(recognizer, samples, layer, unit)
        seconds = recognizer.trained.seconds_per_frame
        draw(plot, samples, recognizer.sample_rate, log_probs, seconds, units, transcript, gates)
    return explanation, transcript.moved(selection.start)


def _rate(recording: Recording) -> int | None:
    """Rate of the file; of standard input, which is read already, nobody knows."""
    return None if recording.path == STDIN else audio_info(recording.path).sample_rate


def _gates(recognizer: Recognizer, samples: np.ndarray, layer: int, unit: int | None) -> Gates | None:
    """Gates of one unit of a layer; None, and a line in the log, where torch or the network's weights are missing."""
    try:
        import torch

        from asr.features.extractor import FeatureExtractor
        from asr.model.directory import load_trained
        from asr.model.gates import layer_inside, longest_memory
    except ImportError:
        LOGGER.warning("the picture has no gates: they need torch, which is not installed")
        return None
    try:
        trained = load_trained(recognizer.trained.directory, "cpu")
    except AsrError as error:
        if isinstance(error, UsageError):
            raise
        LOGGER.warning("the picture has no gates: %s", error)
        return None
    with torch.no_grad():
        features, frames = FeatureExtractor(trained.config.features)(
            torch.from_numpy(np.ascontiguousarray(samples))[None], torch.tensor([len(samples)])
        )
        normalised = trained.normaliser.batch(features, frames)
    if int(frames[0]) == 0:
        return None
    state, _ = layer_inside(trained.model, normalised, frames, layer)
    if unit is not None and not 0 <= unit < state.cell.shape[1]:
        raise UsageError("--unit", f"{unit} is not in 0..{state.cell.shape[1] - 1}", "choose one of the layer's cells")
    return Gates(state, layer, longest_memory(state) if unit is None else unit)
