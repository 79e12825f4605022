"""The switch that makes a GPU give the same bits twice, and what it costs.

Which operations of PyTorch depend on the order in which threads finish: its pages on reproducibility and on
`torch.use_deterministic_algorithms`. The one of them that training here cannot do without is the gradient of CTC on
CUDA (pytorch issue 17798); `objective.summing_device` computes it on the CPU instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

LOGGER = logging.getLogger("asr")
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
FIXED_WORKSPACE = ":4096:8"  # eight buffers of 4 MiB: cuBLAS then never chooses between streams' buffers


@contextmanager
def deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """Within it every operation gives the same bits for the same input, or fails; the log says what that costs.

    To be entered before CUDA is used for the first time in the process: cuBLAS reads its setting only then.

    Args:
        enabled: without it nothing changes.
    """
    if not enabled:
        yield
        return
    before = _Flags.current()
    workspace = os.environ.get(WORKSPACE)
    os.environ.setdefault(WORKSPACE, FIXED_WORKSPACE)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # Filling memory that nobody has written yet finds reads of it, and cost 1 to 4 % of an update on the CPU.
    _fill_memory(False)
    LOGGER.info("%s", explanation(torch.get_num_threads()))
    try:
        yield
    finally:
        before.restore()
        if workspace is None:
            del os.environ[WORKSPACE]


def explanation(threads: int) -> str:
    """What the switch does and costs, for the log."""
    return (
        "deterministic: on the CPU training gives the same bits anyway as long as the number of threads stays the same "
        f"(now {threads}: say --threads {threads} to repeat or resume it elsewhere), and the switch costs no time that "
        "could be measured; on a GPU the CTC loss is computed on the CPU and slower kernels are taken, at a cost that "
        "has not been measured"
    )


class _Flags:
    """The process-wide settings that the switch changes."""

    def __init__(self) -> None:
        self.algorithms = torch.are_deterministic_algorithms_enabled()
        self.warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        self.cudnn = torch.backends.cudnn.deterministic
        self.benchmark = torch.backends.cudnn.benchmark
        self.fill = bool(torch.utils.deterministic.fill_uninitialized_memory)  # type: ignore[attr-defined]

    @classmethod
    def current(cls) -> _Flags:
        """As they are now."""
        return cls()

    def restore(self) -> None:
        """Set them back."""
        torch.use_deterministic_algorithms(self.algorithms, warn_only=self.warn_only)
        torch.backends.cudnn.deterministic = self.cudnn
        torch.backends.cudnn.benchmark = self.benchmark
        _fill_memory(self.fill)


def _fill_memory(wanted: bool) -> None:
    torch.utils.deterministic.fill_uninitialized_memory = wanted  # type: ignore[attr-defined]
