"""What single processes of a training do in the tests; other processes import it by name."""

import hashlib
import importlib
import logging
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from asr.errors import AsrError
from asr.training.experiment import train_experiment
from asr.training.processes.world import joined
from asr.training.step import update as update_module
from asr.training.step.update import Updater
from asr.training.trainer import Trainer
from asr.training.validation import validate

RANK = "RANK"


def digest(model):
    """SHA-256 of a model's weights."""
    sha = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        sha.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return sha.hexdigest()


class Watch(logging.Handler):
    """Keeps what training does in this process: batches of each update, weights after each epoch, the log."""

    def __init__(self):
        super().__init__()
        self.seen, self.digests, self.messages = [], [], []

    def emit(self, record):
        self.messages.append(record.getMessage())

    def install(self):
        update, finish = Updater.update, Trainer._finish_epoch

        def watched_update(updater, share, learning_rate):
            self.seen.append([list(batch.ids) for batch in share.batches])
            return update(updater, share, learning_rate)

        def watched_finish(trainer):
            self.digests.append(digest(trainer.model))
            finish(trainer)

        Updater.update, Trainer._finish_epoch = watched_update, watched_finish
        logger = logging.getLogger("asr")
        logger.setLevel(logging.INFO)
        logger.addHandler(self)


def train_toy(data, experiment, config, device="cpu", **options):
    """Train and return (updates' batches of ids, digests at the epochs' ends, log, dev result) of this process.

    Rank 1 is told another experiment folder, so that the test sees what it writes: nothing.
    """
    watch = Watch()
    watch.install()
    if os.environ[RANK] != "0":
        experiment = Path(f"{experiment}-of-rank-{os.environ[RANK]}")
    summary = train_experiment(config, data, experiment, device=device, threads=1, **options)
    return watch.seen, watch.digests, watch.messages, summary.dev


def train_with_nan_on_rank_one(data, experiment, config):
    """The second batch of rank 1 has no finite loss."""
    original, calls = update_module.batch_losses, []

    def sometimes_nan(*arguments):
        calls.append(1)
        losses, log_probs, lengths = original(*arguments)
        bad = os.environ[RANK] == "1" and len(calls) == 2 + 1  # the first call is the rehearsal
        return (losses * float("nan") if bad else losses), log_probs, lengths

    update_module.batch_losses = sometimes_nan
    return train_toy(data, experiment, config)


def train_with_a_fault_on_rank_one(data, experiment, config):
    """Rank 1 stops with an error in its third update."""
    original = Trainer._update

    def failing(self, *arguments):
        if os.environ[RANK] == "1" and self.progress.step == 2:
            raise ValueError("a fault of this process alone")
        original(self, *arguments)

    Trainer._update = failing
    return train_toy(data, experiment, config)


def train_on_own_data(folders, experiment, config):
    """Each rank reads another data folder."""
    return train_toy(folders[int(os.environ[RANK])], experiment, config)


def judge(model, examples, units):
    """The dev result of a model, computed together."""
    with joined("cpu") as (world, device):
        return validate(model, examples, units, device, world)


def exchange():
    """One of everything that a world can do, with values that tell the ranks apart."""
    with joined("cpu") as (world, _):
        matrix, scalar = torch.full((2, 3), 10.0**world.rank), torch.tensor(float(world.rank))
        other = torch.arange(4.0) * world.rank
        world.add([matrix, scalar, other])
        aligned = torch.tensor([7.0 + world.rank])
        world.align([aligned])
        once = world.once(lambda: {"by": world.rank, "weights": torch.ones(2)})
        return {
            "sums": [matrix.tolist(), scalar.item(), other.tolist()],
            "gathered": world.gather((world.rank, "text")),
            "aligned": aligned.item(),
            "once": (once["by"], once["weights"].tolist()),
            "traffic": (world.traffic.sums, world.traffic.bytes, world.traffic.seconds > 0),
            "writes": world.leads,
        }


def speak():
    """What of a process's log comes through."""
    watch = Watch()
    logger = logging.getLogger("asr")
    logger.addHandler(watch)
    logger.setLevel(logging.INFO)
    with joined("cpu"):
        logger.info("an event of %s", "some")
        logger.warning("a worry of %s", "some")
    logger.warning("after")
    return watch.messages


def threads_left_behind():
    """Names of the threads that this process has more once it left its world than before.

    Like a training, it imports within the world what keeps the world's group in defaults of functions.
    """
    for name in [name for name in sys.modules if name.startswith("torch.distributed.nn")]:
        del sys.modules[name]
    before = Counter(threads())
    with joined("cpu") as (world, _):
        importlib.import_module("torch.distributed.nn.functional")
        world.gather("a word")
        assert Counter(threads()) - before, "the world has threads of its own"
    return list((Counter(threads()) - before).elements())


def threads_left_by_an_error(kind):
    """Names of the threads that this process has more, while it handles the error it left its world by.

    The kinds: "both" fail at once, "one" fails while rank 0 waits for it, "interrupt" comes to rank 1 in a collective.
    """
    before = Counter(threads())
    try:
        with joined("cpu") as (world, _):
            world.require_equal("words", str(world.rank) if kind == "both" else "the same")
            if kind == "interrupt":
                meet_interrupted(world)
            elif not world.leads:
                raise ValueError("a fault of this process alone")
            world.gather("never told")
    except (AsrError, ValueError, KeyboardInterrupt) as error:
        return type(error).__name__, list((Counter(threads()) - before).elements())


def meet_interrupted(world):
    """Ctrl-C reaches rank 1 while it waits for rank 0; Python hears of it when the collective is done."""
    if world.leads:
        time.sleep(0.6)
    else:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
    world.add([torch.ones(2)])


def threads():
    """Names of this process's threads, as Linux knows them."""
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
