"""Kill `asr train` with SIGKILL at random moments, resume it each time, and compare the final weights bit by bit.

    python tools/kill_resume.py --data data/digits --config conf/digits.yaml --set training.epochs=3 --kills 20

Prints one line a kill and, at the end, both SHA-256 digests; exit code 1 when they differ.
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
from pathlib import Path


def main() -> int:
    """Run both trainings and compare."""
    options = _parse()
    command = [sys.executable, "-m", "asr", "train", "--data", str(options.data), "--config", str(options.config)]
    command += ["--threads", "1", "--device", "cpu", "--resume"]
    for setting in options.settings:
        command += ["--set", setting]
    straight = options.work / "straight"
    started = time.monotonic()
    _run([*command, "--exp", str(straight)])
    seconds = time.monotonic() - started
    print(f"uninterrupted: {seconds:.0f} s, {_digest(straight)}", flush=True)
    generator = random.Random(options.seed)
    kills, rounds, same = 0, 0, True
    while kills < options.kills:  # a training that ends before it was killed often enough is followed by another
        killed = options.work / f"killed-{rounds}"
        hits = kill_and_resume([*command, "--exp", str(killed)], killed, options.kills - kills, seconds, generator)
        kills, rounds = kills + hits, rounds + 1
        same = same and _digest(killed) == _digest(straight)
        print(f"training {rounds}: {hits} kills, {_digest(killed)}", flush=True)
    print(f"{kills} kills in {rounds} training(s): {'bit-equal' if same else 'DIFFERENT'}")
    return 0 if same else 1


def kill_and_resume(command: list[str], experiment: Path, kills: int, seconds: float, generator: random.Random) -> int:
    """Start `command`, kill it after a random time, start it again, until `kills` were done; then let it end.

    The waiting times are drawn so that the kills spread over the whole training, start-up and saves included.

    Returns:
        Number of kills that hit a running process.
    """
    done = 0
    while done < kills:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(0.1, seconds / kills + 6))
        if process.poll() is not None:
            if process.returncode != 0:
                raise SystemExit(f"training failed with exit code {process.returncode}")
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done += 1
        states = sorted((experiment / "checkpoints").glob("step-*.pt"))
        print(f"kill {done}: newest state {states[-1].name if states else 'none yet'}", flush=True)
    _run(command)
    return done


def _digest(experiment: Path) -> str:
    return hashlib.sha256((experiment / "model/model.safetensors").read_bytes()).hexdigest()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("exp/kill_resume"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
