"""Resumable training states on disk: written atomically, checked on reading, the newest whole one wins.

A checkpoint is a dictionary of tensors, numbers, strings, lists and dictionaries, so that reading it never runs code
(`weights_only`). Its SHA-256 stands in a file beside it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from asr.config.experiment import ExperimentConfig
from asr.errors import CheckpointError
from asr.files import atomic_write
from asr.model.acoustic import AcousticModel
from asr.training.cost.memory import FLOAT

LOGGER = logging.getLogger("asr")
SUFFIX = ".pt"
DIGEST_SUFFIX = ".sha256"


def save_checkpoint(folder: str | Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write the state of `step` and remove all but the newest `keep` checkpoints.

    The digest is written after the state: a kill in between leaves a state without digest, which reading passes over.
    """
    folder = Path(folder)
    path = checkpoint_path(folder, step)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getbuffer()  # not a copy: the states of a large model are gigabytes
    _digest_path(path).unlink(missing_ok=True)
    with atomic_write(path, "wb") as stream:
        stream.write(payload)
    with atomic_write(_digest_path(path)) as stream:
        stream.write(hashlib.sha256(payload).hexdigest() + "\n")
    for old in list_checkpoints(folder)[:-keep]:
        _digest_path(old).unlink(missing_ok=True)
        old.unlink(missing_ok=True)
    return path


def checkpoint_path(folder: str | Path, step: int) -> Path:
    """Where the state after an update lies."""
    return Path(folder) / f"step-{step:08d}{SUFFIX}"


def list_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints from oldest to newest, whole or not."""
    return sorted(Path(folder).glob(f"step-*{SUFFIX}"))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read one checkpoint onto the CPU.

    Raises:
        CheckpointError: the file is missing, incomplete or damaged.
    """
    path = Path(path)
    try:
        payload = path.read_bytes()
        digest = _digest_path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CheckpointError(path, f"is incomplete ({error.strerror})", "resume from an older checkpoint") from None
    if hashlib.sha256(payload).hexdigest() != digest:
        raise CheckpointError(path, "does not match its checksum", "resume from an older checkpoint")
    try:
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(path, f"is not a training state ({reason})", "resume from an older checkpoint") from None


def load_newest(folder: str | Path) -> dict[str, Any] | None:
    """The newest whole checkpoint, or None where none was ever written.

    Damaged ones are passed over with a warning; when all are damaged training must not restart in silence.

    Raises:
        CheckpointError: there are checkpoints and none can be read.
    """
    paths = list_checkpoints(folder)
    for path in reversed(paths):
        try:
            return load_checkpoint(path)
        except CheckpointError as error:
            LOGGER.warning("%s", error)
    # A single state whose digest is missing was cut off while it was written first of all: nothing is lost.
    if len(paths) > 1 or any(_digest_path(path).exists() for path in paths):
        raise CheckpointError(folder, "no checkpoint in it can be read", "restore one, or start in another folder")
    return None


def differing_settings(
    old: dict[str, Any], new: dict[str, Any], defaults: dict[str, Any], prefix: str = ""
) -> list[str]:
    """Dotted keys whose values differ; how often to log, save and load does not change an experiment.

    A key that one of them lacks has its default: a state may be older than a setting that came later.
    """
    harmless = {
        "training.log_steps",
        "training.save_steps",
        "training.keep",
        "training.workers",
        "training.audio_cache_mb",
        "name",
        "shards.location",
    }
    keys = sorted(old.keys() | new.keys())
    found: list[str] = []
    for key in keys:
        name = f"{prefix}{key}"
        default = defaults.get(key)
        left, right = old.get(key, default), new.get(key, default)
        if isinstance(left, dict) and isinstance(right, dict):
            found += differing_settings(left, right, default if isinstance(default, dict) else {}, f"{name}.")
        elif left != right and name not in harmless and not name.startswith("decoding."):
            found.append(name)
    return found


def _digest_path(path: Path) -> Path:
    return path.with_suffix(DIGEST_SUFFIX)


def disk_of(config: ExperimentConfig, model: AcousticModel, checkpoint_bytes: int) -> int:
    """Bytes of the checkpoints folder at the end: resumable states, and weights of the epochs to average."""
    weights = FLOAT * sum(tensor.numel() for tensor in model.state_dict().values())
    settings = config.training
    return settings.keep * checkpoint_bytes + min(settings.average, settings.epochs) * weights
