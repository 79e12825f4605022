"""Memory of training: predicted from the sizes of the model and its longest batch, and read from the system.

Shapes: B utterances, T feature frames, F features, T' output frames, V units, H memory cells a direction, C channels.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.config.experiment import ExperimentConfig
from asr.model.acoustic import AcousticModel
from asr.model.front_end import STRIDES

FLOAT = 4  # bytes
GATES, STATES = 4, 1  # of an LSTM: input, forget, candidate, output; the cell (its output is counted apart)
RETAINED = 0.75  # of what an update of the longest batch needs: freed memory that stays with the process, on CPUs
PASSING = 6  # of a layer's width: held for a moment on the way back
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training update needs beside the program itself.

    Attributes:
        weights: of the model.
        gradients: one for each weight.
        optimizer: AdamW's two running means for each weight.
        activations: what the forward pass keeps for the backward pass, over the largest batch.
        retained: freed memory that the C library's allocator does not give back.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    retained: int

    @property
    def total(self) -> int:
        """All five."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.retained


def estimate_memory(model: AcousticModel, config: ExperimentConfig, seconds: float) -> MemoryEstimate:
    """Predict an update's memory over a batch of `seconds` of padded audio.

    The LSTM keeps four gates, the cell and the output for each frame and direction, and on a GPU reversed copies;
    everything between the layers keeps its output; and one direction's states have gradients at a time. What autograd
    keeps is within a factor of two of it.

    Batches of many sizes leave the C library with blocks that fit no later batch: see `expected_peak`.
    """
    count = sum(parameter.numel() for parameter in model.parameters())
    frames = round(1000 * seconds / config.features.frame_shift_ms)
    activations = FLOAT * activation_floats(config, frames, model.output.out_features)
    on_cpu = next(model.parameters()).device.type == "cpu"
    retained = round(RETAINED * activations) if on_cpu else 0
    return MemoryEstimate(FLOAT * count, FLOAT * count, 2 * FLOAT * count, activations, retained)


def expected_peak(base: int, need: int, device: torch.device | str) -> int:
    """Bytes that training will use at most, from what its longest batch took.

    On CPUs freed memory stays with the process until it is as much as that batch needs (`asr.training.cost.allocator`).
    How much it becomes depends on how different the batches are: of AN4 nine tenths, of LibriSpeech three, of digits
    one.

    Args:
        base: bytes in use before the first update.
        need: bytes by which the longest batch raised them, with the gradient and the optimiser's means.
        device: where the model trains.
    """
    return base + round(need * (1 + RETAINED * (torch.device(device).type == "cpu")))


def activation_floats(config: ExperimentConfig, frames: int, units: int) -> int:
    """Numbers kept from the forward pass to the backward pass for T = `frames` in all utterances, V = `units`."""
    model = config.model
    reduced = -(-frames // model.time_reduction)
    total = frames * config.features.dimension
    if model.front_end == "convolution":
        bins = config.features.dimension
        for stride in STRIDES[model.time_reduction]:
            frames, bins = -(-frames // stride), -(-bins // 2)
            total += 2 * model.channels * frames * bins  # after the rectifier, and masked
        total += model.channels * frames * bins  # turned for the linear layer
    row = 2 * model.input_size
    width = model.input_size
    directions = 2 if model.bidirectional else 1
    for _ in range(model.layers):
        row += directions * (GATES + STATES) * model.hidden
        row += (directions - 1) * (width + model.hidden)  # reversed input and output
        row += directions * model.hidden  # both directions beside each other
        width = model.projection or directions * model.hidden
        row += width * (bool(model.projection) + model.layer_norm + 2 * (model.dropout > 0))
    widest = max(model.input_size, model.hidden, width if model.layers > 1 else 0)
    return total + reduced * (row + PASSING * widest + 4 * units)


class PeakMemory:
    """The most memory that training needed so far.

    On a GPU: what PyTorch's allocator held at most. On Linux: resident memory less mapped files, since pages of the
    feature store and of libraries are given up when memory is short. Elsewhere: resident memory.

    Args:
        device: where the model trains.

    Attributes:
        begin: bytes in use when counting began.
        bytes: the peak so far.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.begin = memory_now(device)
        self.bytes = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.observe()

    def observe(self) -> int:
        """Look again, right after an update, and return the peak in bytes.

        The kernel keeps the peak of all resident memory. Mapped pages only become more, so at the moment of a new
        peak the difference is exact, and afterwards it is lower: the largest difference ever seen is the peak.
        """
        self.bytes = max(self.bytes, self._now())
        return self.bytes

    def _now(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device)
        status = read_status()
        if "VmHWM" in status:
            return status["VmHWM"] - status.get("RssFile", 0)
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def memory_now(device: torch.device) -> int:
    """Bytes in use at this moment, counted as `PeakMemory` does; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    status = read_status()
    return status.get("VmRSS", 0) - status.get("RssFile", 0)


def read_status(path: Path = STATUS) -> dict[str, int]:
    """Sizes in bytes that the Linux kernel states of this process; empty on other systems."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    return {
        name: 1024 * int(rest.split()[0])
        for name, _, rest in (line.partition(":") for line in lines)
        if rest.endswith(" kB")
    }


def memory_limit(device: torch.device) -> int:
    """Bytes that the device has in all; for the CPU the machine's memory or the container's share of it."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    limits = [_physical_memory()]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def _physical_memory() -> int:
    import os

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return sys.maxsize
