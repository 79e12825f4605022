"""Which start of training goes on by itself: one that `torchrun` repeats after a failure or when machines change."""

from __future__ import annotations

from pathlib import Path

from asr.errors import TrainingError
from asr.files import atomic_write
from asr.training.checkpoint import list_checkpoints
from asr.training.processes.world import NO_JOB, World


def admit(experiment: Path, resume: bool, world: World) -> bool:
    """Decide, before anything is changed, whether training may begin in a folder and whether it resumes.

    A repeated start goes on from the newest checkpoint without being told, provided that the job's first start was
    admitted: it left a mark in the folder. A job that was refused at first is refused again.

    Args:
        experiment: the folder; with several machines, on a file system that all of them see.
        resume: as the user asked.
        world: of this process; rank 0 decides.

    Returns:
        Whether to resume; in other ranks than 0 it has no meaning.

    Raises:
        TrainingError: the folder already holds checkpoints and nothing says to resume.
    """
    if not world.leads:
        return resume
    mark = job_path(experiment)
    if mark.exists() and world.job is not None:
        same_job = world.job != NO_JOB and mark.read_text(encoding="utf-8").strip() == world.job
        resume = resume or world.restarts > 0 or same_job
    if list_checkpoints(mark.parent) and not resume:
        mark.unlink(missing_ok=True)
        raise TrainingError(experiment, "already holds checkpoints", "add --resume, or choose another --exp folder")
    for leftover in mark.parent.glob(".*.tmp"):
        leftover.unlink()  # of a process killed while writing
    if world.job is not None:
        with atomic_write(mark) as stream:
            stream.write(world.job + "\n")
    return resume


def dismiss(experiment: Path) -> None:
    """Forget the job of a folder: its training is done."""
    job_path(experiment).unlink(missing_ok=True)


def job_path(experiment: Path) -> Path:
    """The mark that a job leaves in the folder it trains in."""
    return experiment / "checkpoints" / ".torchrun"
