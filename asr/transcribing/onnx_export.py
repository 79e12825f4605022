"""The network for other programs: ONNX graphs in float32 and 8 bits, and what sherpa-onnx and onnx-asr read.

Both compute features of their own, NeMo's, which differ from Kaldi's in window and mel scale, and normalise them by
utterance; so a model whose normalisation is "speech" or "global" runs with them but recognises worse.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from asr.files import atomic_write
from asr.model.files import ONNX, ONNX_INT8, read_model_files, read_weights
from asr.model.onnx_graph import int8_bytes, onnx_bytes, token_lines

LOGGER = logging.getLogger("asr")
TOKENS, VOCABULARY, ONNX_ASR_CONFIG = "tokens.txt", "vocab.txt", "config.json"
AS_OTHERS = ("utterance", "speaker")


def export_onnx(model: str | Path, out: str | Path | None = None) -> list[Path]:
    """Write `model.onnx`, `model.int8.onnx`, `tokens.txt` (sherpa-onnx), `vocab.txt` and `config.json` (onnx-asr).

    Args:
        model: model directory.
        out: folder to write to; the model directory itself when None.

    Returns:
        What was written.

    Raises:
        ModelError: the directory is incomplete or damaged, or the package onnx is missing.
    """
    files = read_model_files(model)
    weights = read_weights(model)
    folder = Path(out) if out is not None else files.directory
    normalisation = files.config.features.normalisation
    if normalisation not in AS_OTHERS:
        LOGGER.warning("other programs normalise by utterance; this model was trained with %r", normalisation)
    count = len(files.units)
    settings = {
        "model_type": "nemo-conformer-ctc",
        "features_size": files.config.features.dimension,
        "subsampling_factor": files.config.model.time_reduction,
    }
    tokens = "".join(token_lines(files.units)).encode()
    contents = {
        ONNX: onnx_bytes(files.config, count, weights),
        ONNX_INT8: int8_bytes(files.config, count, weights),
        TOKENS: tokens,
        VOCABULARY: tokens,
        ONNX_ASR_CONFIG: (json.dumps(settings, indent=1) + "\n").encode(),
    }
    for name, content in contents.items():
        with atomic_write(folder / name, "wb") as stream:
            stream.write(content)
    return [folder / name for name in contents]
