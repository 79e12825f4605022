"""A trained network at work in ONNX Runtime. B: utterances, T: frames, F: features, T': output frames, V: units."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.errors import ModelError
from asr.model.files import ONNX, ONNX_INT8, WEIGHTS, ModelFiles, read_weights
from asr.model.onnx_graph import SETTINGS, WEIGHTS_DIGEST, onnx_bytes, settings_of

LOGGER = logging.getLogger("asr")
AGAIN = "write it with 'asr export --onnx'"


class OnnxNetwork:
    """Normalised features to log-probabilities on the CPU.

    Args:
        files: the model directory; without a `model.onnx` the graph is built from the weights, which needs `onnx`.
        int8: take the quantised `model.int8.onnx`.
        threads: of one computation; 0 takes all cores.

    Raises:
        ModelError: the graph is missing, damaged or of another configuration.
    """

    def __init__(self, files: ModelFiles, *, int8: bool = False, threads: int = 0) -> None:
        import onnxruntime

        path = files.directory / (ONNX_INT8 if int8 else ONNX)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                _content(files, path), options, providers=["CPUExecutionProvider"]
            )  # fmt: skip
        except Exception as error:  # ONNX Runtime's own exceptions have no common base but this
            raise ModelError(path, f"is damaged ({' '.join(str(error).split())[:200]})", AGAIN) from None
        metadata = self._session.get_modelmeta().custom_metadata_map
        found = metadata.get(SETTINGS)
        if found != settings_of(files.config, len(files.units)):
            raise ModelError(path, f"does not fit config.yaml (it was built for {found})", "keep both from one run")
        _refuse_stale(path, files.directory / WEIGHTS, metadata.get(WEIGHTS_DIGEST))
        self.units = len(files.units)
        self.reduction = files.config.model.time_reduction

    def __call__(self, matrices: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Log-probabilities (T', V) float32 of each utterance's normalised features (T, F)."""
        lengths = np.array([len(matrix) for matrix in matrices], np.int64)
        longest = int(lengths.max(initial=0))
        if not longest:
            return [np.empty((0, self.units), np.float32) for _ in matrices]
        padded = np.zeros((len(matrices), matrices[0].shape[1], longest), np.float32)
        for row, matrix in enumerate(matrices):
            padded[row, :, : len(matrix)] = matrix.T
        outputs: Any = self._session.run(["logprobs"], {"audio_signal": padded, "length": lengths})[0]
        return [outputs[row, : -(-int(length) // self.reduction)] for row, length in enumerate(lengths)]


def _refuse_stale(graph: Path, weights: Path, written_beside: str | None) -> None:
    """Refuse a graph beside which lie other weights than those that it was made of."""
    if written_beside is None or not weights.is_file():
        return
    if hashlib.sha256(weights.read_bytes()).hexdigest() != written_beside:
        raise ModelError(graph, f"was made of other weights than {weights.name} has", f"delete it, or {AGAIN}")


def _content(files: ModelFiles, path: Path) -> bytes | str:
    if path.is_file():
        return str(path)
    if path.name != ONNX:
        raise ModelError(path, "does not exist", AGAIN)
    LOGGER.info("%s has no %s; the graph is built from the weights", files.directory, ONNX)
    return onnx_bytes(files.config, len(files.units), read_weights(files.directory))
