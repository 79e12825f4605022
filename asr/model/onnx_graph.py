"""The network as an ONNX graph, built from its weights: what runs where torch is not installed.

The layout is that of NeMo's CTC models, which sherpa-onnx and onnx-asr read: `audio_signal` (B, F, T) float32, the
normalised features; `length` (B,) int64; `logprobs` (B, T', V). PyTorch's own exporter has frozen the time axis of
bidirectional LSTMs (pytorch/pytorch#191855); ONNX's LSTM operator takes the lengths of a padded batch itself.

Shapes: B utterances, T frames, F features, C channels, H memory cells a direction, D outputs, V units.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr.config.experiment import ExperimentConfig
from asr.errors import ModelError
from asr.units import WORD_START, Units

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8  # the first with LayerNormalization; read by every ONNX Runtime since 1.12
TIME_STRIDES = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 6: (3, 2)}
LAYER_NORM_EPSILON = 1e-5
WEIGHTS_DIGEST = "asr_weights"  # metadata: SHA-256 of the model.safetensors beside which the graph was written
SETTINGS = "asr_settings"  # metadata: what of the configuration the graph was built for
Weights = Mapping[str, np.ndarray]


def settings_of(config: ExperimentConfig, units: int) -> str:
    """What a graph depends on beside its weights, as text to be compared."""
    model = config.model.model_dump(
        include={"front_end", "time_reduction", "layers", "hidden", "bidirectional", "projection", "layer_norm"}
    )
    return json.dumps({**model, "features": config.features.dimension, "units": units}, sort_keys=True)


def onnx_model(config: ExperimentConfig, units: int, weights: Weights) -> onnx.ModelProto:
    """The graph of a network in float32.

    Args:
        config: of the network and its features.
        units: V.
        weights: by their names in `AcousticModel`.

    Raises:
        ModelError: the package onnx is not installed.
    """
    helper = _onnx().helper
    graph = _Graph(weights)
    x, lengths = _front_end(graph, config)
    for layer in range(config.model.layers):
        x = _lstm_layer(graph, config, layer, x, lengths)
    x = graph.linear("output", x)
    x = graph.node("LogSoftmax", [x], axis=-1)
    graph.node("Transpose", [x], output="logprobs", perm=[1, 0, 2])
    kind, value = _onnx().TensorProto, helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "acoustic_model",
        [
            value("audio_signal", kind.FLOAT, ["batch", config.features.dimension, "frames"]),
            value("length", kind.INT64, ["batch"]),
        ],
        [value("logprobs", kind.FLOAT, ["batch", "output_frames", units])],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="asr")
    model.ir_version = IR_VERSION
    # Others know only this one; it is the nearest to "speech" and "global", too.
    normalised = config.features.normalisation != "none"
    helper.set_model_props(
        model,
        {
            "model_type": "EncDecCTCModel",
            "vocab_size": str(units),
            "subsampling_factor": str(config.model.time_reduction),
            "normalize_type": "per_feature" if normalised else "",
            SETTINGS: settings_of(config, units),
        },
    )
    return model


def onnx_bytes(config: ExperimentConfig, units: int, weights: Weights, digest: str = "") -> bytes:
    """The content of `model.onnx`; `digest` is of the weights' file beside which it will lie."""
    model = onnx_model(config, units, weights)
    if digest:
        model.metadata_props.add(key=WEIGHTS_DIGEST, value=digest)
    content: bytes = model.SerializeToString()
    return content


def int8_bytes(config: ExperimentConfig, units: int, weights: Weights) -> bytes:
    """The content of `model.int8.onnx`: weights of LSTMs and products in 8 bits, activations quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(onnx_bytes(config, units, weights))
        quantize_dynamic(
            whole, small, op_types_to_quantize=["MatMul", "LSTM"], weight_type=QuantType.QInt8, per_channel=True
        )
        return small.read_bytes()


def token_lines(units: Units) -> list[str]:
    """Lines of `tokens.txt` and `vocab.txt`: a symbol and its id, with the blank as `<blk>` and a space as U+2581."""
    shown = ["<blk>", *(WORD_START if symbol == " " else symbol for symbol in units.symbols[1:])]
    if units.kind in ("words", "phones"):
        shown[1:] = [WORD_START + symbol for symbol in shown[1:]]
    return [f"{symbol} {index}\n" for index, symbol in enumerate(shown)]


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        reason = "needs the package onnx to be written"
        raise ModelError("an ONNX graph", reason, "pip install onnx") from None
    return onnx


class _Graph:
    """Nodes and constants while they are put together; values go by their names."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: dict[str, str] = {}

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Append an operator with one output, whose name is returned."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(_onnx().helper.make_node(kind, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def constant(self, name: str, values: Any, dtype: Any = np.int64) -> str:
        """An array that the graph holds; the same name means the same array."""
        if name not in self._names:
            array = np.ascontiguousarray(values, dtype=dtype)
            self.constants.append(_onnx().numpy_helper.from_array(array, name))
            self._names[name] = name
        return name

    def linear(self, name: str, x: str) -> str:
        """x (..., I) -> (..., O)."""
        weight = self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T, np.float32)
        bias = self.constant(f"{name}.bias", self.weights[f"{name}.bias"], np.float32)
        return self.node("Add", [self.node("MatMul", [x, weight]), bias])

    def layer_norm(self, name: str, x: str) -> str:
        """Each row of x (..., D) by itself."""
        parts = [
            self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"], np.float32) for part in ("weight", "bias")
        ]
        return self.node("LayerNormalization", [x, *parts], axis=-1, epsilon=LAYER_NORM_EPSILON)

    def size(self, x: str, axis: int) -> str:
        """Size of one axis, a vector of one element."""
        shape = self.node("Shape", [x])
        return self.node("Gather", [shape, self.constant(f"axis_{axis}", [axis])], axis=0)

    def inside(self, frames: str, lengths: str) -> str:
        """(B, frames) bool: which frames lie inside each utterance."""
        scalar = self.node("Squeeze", [frames])
        zero, one = self.constant("zero", 0), self.constant("one", 1)
        steps = self.node("Unsqueeze", [self.node("Range", [zero, scalar, one]), self.constant("first_axis", [0])])
        return self.node("Less", [steps, self.node("Unsqueeze", [lengths, self.constant("second_axis", [1])])])

    def shortened(self, lengths: str, divisor: int) -> str:
        """How many groups of `divisor` frames cover each length."""
        if divisor == 1:
            return lengths
        more = self.node("Add", [lengths, self.constant(f"less_{divisor}", [divisor - 1])])
        return self.node("Div", [more, self.constant(f"divisor_{divisor}", [divisor])])


def _front_end(graph: _Graph, config: ExperimentConfig) -> tuple[str, str]:
    """Names of (T', B, D) and of the lengths (B,)."""
    x = graph.node("Transpose", ["audio_signal"], perm=[0, 2, 1])
    mask = graph.node(
        "Unsqueeze", [graph.inside(graph.size(x, 1), "length"), graph.constant("last_axis_of_3", [2])]
    )  # fmt: skip
    x = graph.node("Where", [mask, x, graph.constant("nothing", 0.0, np.float32)])
    reduce = _convolutions if config.model.front_end == "convolution" else _stacked
    x, lengths = reduce(graph, config, x)
    x = graph.linear("front_end.linear", x)
    if config.model.layer_norm:
        x = graph.layer_norm("front_end.norm", x)
    return graph.node("Transpose", [x], perm=[1, 0, 2]), lengths


def _convolutions(graph: _Graph, config: ExperimentConfig, x: str) -> tuple[str, str]:
    """(B, T, F) -> (B, T', C * F')."""
    lengths = "length"
    x = graph.node("Unsqueeze", [x, graph.constant("second_axis", [1])])
    for name, stride in zip(("first", "second"), TIME_STRIDES[config.model.time_reduction], strict=True):
        parts = [
            graph.constant(f"front_end.{name}.{part}", graph.weights[f"front_end.{name}.{part}"], np.float32)
            for part in ("weight", "bias")
        ]
        x = graph.node("Conv", [x, *parts], strides=[stride, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        x = graph.node("Relu", [x])
        lengths = graph.shortened(lengths, stride)
        mask = graph.node("Cast", [graph.inside(graph.size(x, 2), lengths)], to=_onnx().TensorProto.FLOAT)
        x = graph.node("Mul", [x, graph.node("Unsqueeze", [mask, graph.constant("axes_1_3", [1, 3])])])
    x = graph.node("Transpose", [x], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [x, graph.constant("flat", [0, 0, -1])]), lengths


def _stacked(graph: _Graph, config: ExperimentConfig, x: str) -> tuple[str, str]:
    """(B, T, F) -> (B, T', F * reduction); a last group that is not full is completed with zeros."""
    reduction = config.model.time_reduction
    if reduction > 1:
        negative = graph.node("Neg", [graph.size(x, 1)])
        missing = graph.node("Mod", [negative, graph.constant(f"divisor_{reduction}", [reduction])])
        before, after = graph.constant("pads_before", [0, 0, 0, 0]), graph.constant("no_pad", [0])
        x = graph.node("Pad", [x, graph.node("Concat", [before, missing, after], axis=0)])
    x = graph.node("Reshape", [x, graph.constant("groups", [0, -1, config.features.dimension * reduction])])
    return x, graph.shortened("length", reduction)


def _lstm_layer(graph: _Graph, config: ExperimentConfig, layer: int, x: str, lengths: str) -> str:
    """(T, B, I) -> (T, B, D)."""
    prefix = f"stack.layers.{layer}"
    directions = ["forward_lstm", "backward_lstm"] if config.model.bidirectional else ["forward_lstm"]
    names = {"W": "weight_ih_l0", "R": "weight_hh_l0"}
    inputs = [
        graph.constant(
            f"{prefix}.{short}",
            np.stack([_gates_of_onnx(graph.weights[f"{prefix}.{d}.{name}"]) for d in directions]),
            np.float32,
        )
        for short, name in names.items()
    ]
    biases = [
        np.concatenate([_gates_of_onnx(graph.weights[f"{prefix}.{d}.bias_{side}_l0"]) for side in ("ih", "hh")])
        for d in directions
    ]
    inputs.append(graph.constant(f"{prefix}.B", np.stack(biases), np.float32))
    # The operator takes no empty utterance; what it makes of one is beyond its length.
    counted = graph.node("Max", [lengths, graph.constant("at_least_one", [1])])
    steps = graph.node("Cast", [counted], to=_onnx().TensorProto.INT32)
    y = graph.node(
        "LSTM",
        [x, *inputs, steps],
        hidden_size=config.model.hidden,
        direction="bidirectional" if config.model.bidirectional else "forward",
    )
    y = graph.node("Reshape", [graph.node("Transpose", [y], perm=[0, 2, 1, 3]), graph.constant("flat", [0, 0, -1])])
    if config.model.projection:
        y = graph.linear(f"{prefix}.projection", y)
    return graph.layer_norm(f"{prefix}.norm", y) if config.model.layer_norm else y


def _gates_of_onnx(stacked: np.ndarray) -> np.ndarray:
    """PyTorch stacks the gates as input, forget, cell, output; ONNX as input, output, forget, cell."""
    i, f, c, o = np.split(stacked, 4)
    return np.concatenate([i, o, f, c])
