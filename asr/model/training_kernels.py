"""The one door to `asr.model.cpu`: compiled kernels that train faster on CPUs, where they apply and where they pay.

The layers of this package are written with PyTorch's operations and ask here for something quicker. Without the folder,
or where nothing is compiled (NUMBA_DISABLE_JIT=1), they train to the same losses within rounding.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch
from torch import Tensor


def training_kernels(x: Tensor) -> ModuleType | None:
    """The kernels (`asr.model.cpu`) for a layer that reads x, or None where PyTorch computes it.

    PyTorch computes without gradients, on a GPU, in another type than float32, within autocast, for empty batches, and
    where nothing can be compiled.
    """
    trains = torch.is_grad_enabled() and x.numel() > 0
    if not trains or x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return None
    return compiled_kernels()


def takes_the_threads(hidden: int, device: torch.device, precision: str) -> bool:
    """Whether nearly all of a training update of LSTMs with H = `hidden` cells is spent in kernels."""
    if device.type != "cpu" or precision != "float32":
        return False
    kernels = compiled_kernels()
    return kernels is not None and kernels.recurrence_fits(hidden)


@cache
def compiled_kernels() -> ModuleType | None:
    """`asr.model.cpu` where it is there and can be compiled."""
    from asr.kernels.compile import COMPILES

    if not COMPILES:
        return None
    try:
        import asr.model.cpu as kernels
    except ModuleNotFoundError as error:
        if error.name != "asr.model.cpu":  # the folder is there, and something in it is wrong
            raise
        return None
    return kernels
