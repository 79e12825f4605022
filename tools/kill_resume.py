"""Kill `asr train` with SIGKILL again and again, half of the time while it saves, and compare the final bits.

    python tools/kill_resume.py --data data/digits --config conf/digits.yaml \
        --set training.epochs=3 --set training.save_steps=1 --kills 100

The uninterrupted training and the last resume of each killed one are fresh interpreters. The trainings to be killed
are forks of one interpreter that has imported everything, so that a start takes a fraction of a second. Of ten kills
five are aimed at a save: the tool waits for the temporary file and strikes a moment later. Four fall at a random time
after the training has saved at least once since its start, so that it goes forward; one at a random time after the
start, which may be before or during the loading.

Prints a line a kill: what the dead process left behind. At the end the counts, and the SHA-256 of the final weights and
of the last training state; exit code 1 where one differs from the uninterrupted training, or a start failed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

RESUMED, FRESH = "resumed at epoch", "no checkpoint yet"
POLL = 0.0002  # seconds between two looks at the folder
MOST_WAIT = 600.0  # seconds without a save after which something must be wrong


@dataclass
class Tally:
    """What the kills hit and how the starts went."""

    hits: Counter[str] = field(default_factory=Counter)
    starts: Counter[str] = field(default_factory=Counter)

    @property
    def kills(self) -> int:
        """In all."""
        return sum(self.hits.values())


@dataclass
class Victim:
    """A training that runs in a forked process."""

    pid: int
    log: Path
    checkpoints: Path
    saved_before: frozenset[str]
    orphans_before: frozenset[str]
    status: int | None = None

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait_for(self, what: str) -> bool:
        """Wait until it has saved once ("saved") or is saving ("saving"); False where it ended before."""
        deadline = time.monotonic() + MOST_WAIT
        while not self.ended():
            names = _names(self.checkpoints)
            if what == "saved" and _whole(names) - self.saved_before:
                return True
            if what == "saving" and _unfinished(names):
                return True
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing was saved for {MOST_WAIT:.0f} s; see {self.log}")
            time.sleep(POLL)
        return False

    def kill(self) -> str:
        """SIGKILL; returns what it was doing, read off what it left behind."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        names = _names(self.checkpoints)
        unfinished = _unfinished(names)
        if any(".pt." in name for name in unfinished):
            return "in a save: state half written"
        if any(".sha256." in name for name in unfinished):
            return "in a save: checksum half written"
        if unfinished:
            return "in a save: weights of an epoch half written"
        if _orphans(names) - self.orphans_before:
            return "in a save: state without its checksum"
        return "between saves" if _whole(names) - self.saved_before else "before the first save"


def main() -> int:
    """Run both kinds of training and compare."""
    options = _parse()
    arguments = ["train", "--data", str(options.data), "--config", str(options.config)]
    arguments += ["--threads", "1", "--device", "cpu", "--resume"]
    for setting in options.settings:
        arguments += ["--set", setting]
    straight = options.work / "straight"
    started = time.monotonic()
    _run_fresh([*arguments, "--exp", str(straight)])
    expected = digests(straight)
    print(f"uninterrupted: {time.monotonic() - started:.0f} s, {expected}", flush=True)
    _preload()
    generator = random.Random(options.seed)
    tally, rounds, same = Tally(), 0, True
    while tally.kills < options.kills:  # a training that ends before it was killed often enough is followed by another
        killed = options.work / f"killed-{rounds}"
        before = tally.kills
        kill_and_resume([*arguments, "--exp", str(killed)], killed, options.kills, tally, generator, options.spread)
        found, rounds = digests(killed), rounds + 1
        same = same and found == expected
        print(f"training {rounds}: {tally.kills - before} kills, {found}", flush=True)
    inside = sum(count for what, count in tally.hits.items() if what.startswith("in a save"))
    for counts in (tally.hits, tally.starts):
        for what, count in sorted(counts.items()):
            print(f"{count:5d} {what}")
    seconds = time.monotonic() - started
    verdict = "bit-equal" if same else "DIFFERENT"
    print(f"{tally.kills} kills in {rounds} training(s), {inside} of them inside a save, {seconds:.0f} s: {verdict}")
    return 0 if same else 1


def kill_and_resume(
    arguments: list[str], experiment: Path, kills: int, tally: Tally, generator: random.Random, spread: float
) -> None:
    """Start a training, kill it, start it again, until `kills` are counted in all or it ends; then let it end."""
    while tally.kills < kills:
        victim = _start(arguments, experiment)
        if not _strike(victim, tally.kills, generator, spread):
            if victim.status:
                raise SystemExit(f"a training ended with exit code {victim.status}:\n{victim.log.read_text()[-2000:]}")
            tally.starts[_how_started(victim.log)] += 1
            break
        hit = victim.kill()
        tally.hits[hit] += 1
        tally.starts[_how_started(victim.log)] += 1
        print(f"kill {tally.kills}: {hit}", flush=True)
    _run_fresh(arguments)


def _strike(victim: Victim, number: int, generator: random.Random, spread: float) -> bool:
    """Wait for the moment of one kill; False where the training ended before."""
    if number % 10 == 9:
        time.sleep(generator.uniform(0, 2 * spread))
        return not victim.ended()
    if not victim.wait_for("saved"):
        return False
    if number % 2:
        time.sleep(generator.uniform(0, spread))
        return not victim.ended()
    if not victim.wait_for("saving"):
        return False
    time.sleep(generator.choice([0, 0, generator.uniform(0, 0.01)]))
    return not victim.ended()


def _start(arguments: list[str], experiment: Path) -> Victim:
    """Fork a training."""
    experiment.mkdir(parents=True, exist_ok=True)
    log, checkpoints = experiment / "start.log", experiment / "checkpoints"
    names = _names(checkpoints)
    pid = os.fork()
    if pid:
        return Victim(pid, log, checkpoints, _whole(names), _orphans(names))
    code = 70
    try:
        with log.open("w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        from asr.__main__ import run

        code = run(arguments)
    finally:
        os._exit(code)


def _preload() -> None:
    """Import what a training needs before any fork; nothing is computed, so no thread is started."""
    import torch
    import torch.utils.tensorboard

    import asr.training.experiment  # noqa: F401

    torch.set_num_threads(1)


def _how_started(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    if RESUMED in text:
        return "starts that loaded a state and went on"
    return "starts from the beginning, nothing saved yet" if FRESH in text else "starts killed before they could load"


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _whole(names: list[str]) -> frozenset[str]:
    """Steps whose state and checksum are both there."""
    return frozenset(Path(n).stem for n in names if n.endswith(".pt")) & frozenset(
        Path(n).stem for n in names if n.startswith("step-") and n.endswith(".sha256")
    )


def _orphans(names: list[str]) -> frozenset[str]:
    """Steps whose state lacks its checksum."""
    return frozenset(Path(n).stem for n in names if n.startswith("step-") and n.endswith(".pt")) - _whole(names)


def _unfinished(names: list[str]) -> list[str]:
    """Temporary files."""
    return [name for name in names if name.startswith(".") and name.endswith(".tmp")]


def digests(experiment: Path) -> str:
    """SHA-256 of the final weights, and of the contents of the last training state: optimiser, schedule and all."""
    from asr.training.checkpoint import list_checkpoints, load_checkpoint

    weights = hashlib.sha256((experiment / "model/model.safetensors").read_bytes()).hexdigest()
    state = hashlib.sha256()
    _feed(state, load_checkpoint(list_checkpoints(experiment / "checkpoints")[-1]))
    return f"weights {weights[:16]} state {state.hexdigest()[:16]}"


def _feed(digest: hashlib._Hash, value: object) -> None:
    """Hash a state by what is in it: the file may hold the same tensors in another order."""
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(repr(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            _feed(digest, item)
    elif hasattr(value, "numpy"):
        digest.update(value.numpy().tobytes())
    else:
        digest.update(repr(value).encode())


def _run_fresh(arguments: list[str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "asr", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--spread", type=float, default=0.5, help="seconds over which kills not aimed at a save spread")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("exp/kill_resume"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
