"""What training tells: log lines, `metrics.jsonl`, TensorBoard, and the alarm for all-blank output."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import TracebackType
from typing import Any

from asr.files import atomic_write

LOGGER = logging.getLogger("asr")
ALL_BLANK = 0.999


class Journal:
    """Writes an experiment's measurements; after a resume it holds each step once.

    Args:
        experiment: folder of the experiment.
        resumed_step: updates done so far; later lines, written before a kill, are dropped.
        finished_epochs: epochs that the resumed state has judged; dev lines of later ones are dropped likewise.
    """

    def __init__(self, experiment: Path, resumed_step: int, finished_epochs: int) -> None:
        experiment.mkdir(parents=True, exist_ok=True)
        self.path = experiment / "metrics.jsonl"
        self._drop_after(resumed_step, finished_epochs)
        self._stream = self.path.open("a", encoding="utf-8")
        self._handler = logging.FileHandler(experiment / "train.log", encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        LOGGER.addHandler(self._handler)
        self._board = _tensorboard(experiment / "tensorboard", resumed_step)

    def write(self, kind: str, step: int, **values: float | int | str | list[str]) -> None:
        """Record one measurement: a JSON line, and a TensorBoard point for every number."""
        self._stream.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._stream.flush()
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Flush and close everything."""
        self._stream.close()
        self._board.close()
        LOGGER.removeHandler(self._handler)
        self._handler.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _drop_after(self, step: int, epochs: int) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
                if record["step"] <= step and not (record["kind"] == "dev" and record["epoch"] > epochs):
                    kept.append(line + "\n")
            except (json.JSONDecodeError, KeyError):
                continue  # cut off by the kill
        with atomic_write(self.path) as stream:
            stream.writelines(kept)


class BlankAlarm:
    """Watches for a model that says nothing: CTC's plateau where every frame is blank.

    Args:
        patience: consecutive updates of all-blank output before the alarm.
    """

    def __init__(self, patience: int = 600) -> None:
        self.patience = patience
        self.steps = 0

    def observe(self, blank_rate: float) -> bool:
        """Take the share of blank frames of one update; True when the alarm was raised just now."""
        self.steps = self.steps + 1 if blank_rate >= ALL_BLANK else 0
        if self.steps != self.patience:
            return False
        LOGGER.warning(
            "the model has put out nothing but blanks for %d updates. Likely causes: learning rate too high or too low "
            "(training.learning_rate); augmentation from the first epoch (augmentation.first_epoch); no layer "
            "normalisation (model.layer_norm); long utterances first (batching.shortest_first_epochs); too few frames "
            "for the text (model.time_reduction); or texts that do not belong to the audio.",
            self.steps,
        )
        return True


def _tensorboard(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
