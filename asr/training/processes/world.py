"""Many processes training one model, one a device, started by `torchrun`; a process on its own is a world of one.

The rule: an update is the same `training.accumulate` batches whatever the number of processes. Every process plans the
same epoch, computes its share of the update's batches, and the sums of the gradients make one mean over the update's
utterances. So each utterance is seen once an epoch, a process without a batch adds nothing, and the number of processes
changes rounding alone.

Gradients are summed by one all-reduce after the backward passes (Sergeev & Del Balso 2018, arXiv:1802.05799): over NCCL
between GPUs, over Gloo between CPUs.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from asr.errors import TrainingError
from asr.model.directory import choose_device
from asr.training.processes.rendezvous import store_of_start

LOGGER = logging.getLogger("asr")
TIMEOUT = timedelta(minutes=30)  # a process that is silent for longer is taken for lost
NO_JOB = "none"  # torchrun's own word
Value = TypeVar("Value")


@dataclass
class Traffic:
    """What a process has given to sums: how often, how many bytes, and the seconds until the results were there."""

    sums: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class World:
    """The processes that train together, seen from one of them.

    Attributes:
        rank: of this process, from 0; rank 0 alone writes files.
        size: number of processes.
        restarts: how often `torchrun` has restarted the job.
        job: identity that the `torchrun` job was given, NO_JOB where none was; None without `torchrun`.
        traffic: counted as training goes.
    """

    rank: int = 0
    size: int = 1
    restarts: int = 0
    job: str | None = None
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and the log."""
        return self.rank == 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, which end with the same bits; one message for all.

        Args:
            tensors: of the same shapes and of one type in every process, on its device.

        Raises:
            TrainingError: another process is gone.
        """
        if self.size == 1:
            return
        before = time.monotonic()
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _contact(self.rank):
            dist.all_reduce(flat)
        if flat.is_cuda:
            torch.cuda.synchronize(flat.device)  # so that the seconds are those of the sum
        begin = 0
        for tensor in tensors:
            tensor.copy_(flat[begin : begin + tensor.numel()].view_as(tensor))
            begin += tensor.numel()
        self.traffic.sums += 1
        self.traffic.bytes += flat.numel() * flat.element_size()
        self.traffic.seconds += time.monotonic() - before

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, by rank, in every process.

        Raises:
            TrainingError: another process is gone.
        """
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with _contact(self.rank):
            dist.all_gather_object(values, value)
        return values

    def once(self, compute: Callable[[], Value]) -> Value:
        """What rank 0 computes, in every process; tensors must be on the CPU.

        Raises:
            TrainingError: another process is gone.
        """
        if self.size == 1:
            return compute()
        values: list[Any] = [compute() if self.leads else None]
        with _contact(self.rank):
            dist.broadcast_object_list(values, src=0)
        value: Value = values[0]
        return value

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with those of rank 0.

        Raises:
            TrainingError: another process is gone.
        """
        if self.size == 1:
            return
        with _contact(self.rank):
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def require_equal(self, what: str, value: str) -> None:
        """Refuse to train together on different things.

        Raises:
            TrainingError: names the ranks that differ from rank 0.
        """
        values = self.gather(value)
        differing = [str(rank) for rank, other in enumerate(values) if other != values[0]]
        if differing:
            raise TrainingError(
                f"rank {', '.join(differing)}", f"has other {what} than rank 0", "give every process the same files"
            )


@contextmanager
def joined(device: str | None = None) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that `torchrun` started, and say on which device this one computes.

    Args:
        device: as for `choose_device`; under `torchrun` "cuda" and None mean the GPU of the process's local rank.

    Raises:
        TrainingError: the processes of this machine do not have a GPU each, or one of them does not answer.
        ModelError: no such device.
    """
    world = world_of(os.environ)
    chosen = device_of(device, world.size, int(os.environ.get("LOCAL_RANK", "0")))
    if world.size == 1:
        yield world, chosen
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    # Objects travel between CPUs in both cases, gradients over NCCL where they are on GPUs.
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    _import_keepers_of_groups()
    with _contact(world.rank):
        store = store_of_start(os.environ, TIMEOUT)
        dist.init_process_group(backend, timeout=TIMEOUT, store=store, rank=world.rank, world_size=world.size)
    succeeded = False
    try:
        with _named_in_log(world):
            LOGGER.info("%d processes, this one on %s", world.size, chosen)
            yield world, chosen
        succeeded = True
    except BaseException as error:
        _forget_frames(error)
        raise
    finally:
        # Leaving NCCL waits for the others, and after an error they may be waiting for this process.
        if succeeded or chosen.type == "cpu":
            dist.destroy_process_group()


def world_of(environment: os._Environ[str] | dict[str, str]) -> World:
    """The world that `torchrun` describes in its environment variables; a world of one without it."""
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return World()
    return World(
        rank=int(environment["RANK"]),
        size=int(environment["WORLD_SIZE"]),
        restarts=int(environment.get("TORCHELASTIC_RESTART_COUNT", "0")),
        job=environment.get("TORCHELASTIC_RUN_ID", NO_JOB),
    )


def in_front() -> bool:
    """Whether this process is the one that speaks to the user."""
    return world_of(os.environ).leads


def device_of(wanted: str | None, size: int, local_rank: int) -> torch.device:
    """The device of one process: with several, the GPU numbered like its rank on the machine.

    Raises:
        TrainingError: one GPU was named for several processes, or there are fewer GPUs than processes.
        ModelError: no such device.
    """
    chosen = choose_device(wanted)
    if size == 1 or chosen.type != "cuda":
        return chosen
    if wanted is not None and ":" in wanted:
        raise TrainingError(wanted, f"is one GPU for {size} processes", "say --device cuda: each takes its own")
    if local_rank >= torch.cuda.device_count():
        raise TrainingError(
            f"local rank {local_rank}",
            f"has no GPU of its own: this machine has {torch.cuda.device_count()}",
            "lower torchrun's --nproc-per-node",
        )
    return torch.device("cuda", local_rank)


def check_batches(batches: int, processes: int) -> None:
    """Refuse updates that cannot give every process a batch: some would never do anything.

    Raises:
        TrainingError: fewer batches than processes.
    """
    if batches < processes:
        raise TrainingError(
            "training.accumulate",
            f"makes an update of {batches} batch(es), too few for {processes} processes",
            f"set it to {processes} or a multiple, and batching.seconds for the size of one",
        )


def _import_keepers_of_groups() -> None:
    """Import, before there is a group, the module that keeps the group of the moment in its functions' defaults.

    Optimisers import it, by way of `torch.distributed.fsdp`. Imported after the group was made it would keep it alive
    past `destroy_process_group`, with Gloo's threads, and one that drops a tensor while the interpreter ends aborts the
    process: "terminate called without an active exception" (PyTorch 2.11).
    """
    importlib.import_module("torch.distributed.nn.functional")


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what the functions that an error went through held: PyTorch's hold the group.

    With its group alive a process that ends by an error may abort, as `_import_keepers_of_groups` says.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


@contextmanager
def _contact(rank: int) -> Iterator[None]:
    """Turn a broken connection into a failure that says where to look."""
    try:
        yield
    except RuntimeError as error:  # every distributed error is one
        reason = " ".join(str(error).split())[:160]
        raise TrainingError(
            f"rank {rank}", f"lost contact with another process ({reason})", "read that process's own message"
        ) from None


@contextmanager
def _named_in_log(world: World) -> Iterator[None]:
    """Let rank 0 log as ever, and the others only warnings, with their rank."""
    if world.leads:
        yield
        return

    def name(record: logging.LogRecord) -> bool:
        record.msg = f"rank {world.rank}: {record.msg}"
        return record.levelno >= logging.WARNING

    LOGGER.addFilter(name)
    try:
        yield
    finally:
        LOGGER.removeFilter(name)
