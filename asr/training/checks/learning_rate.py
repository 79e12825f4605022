"""The learning-rate range test: let the rate rise exponentially over real updates and see where the loss falls best.

Smith (2017), "Cyclical learning rates for training neural networks", section 3.3, with the exponential rise and the
smoothed loss that later tools made of it. Two rates are read off the curve: where the smoothed loss falls most steeply
over the logarithm of the rate, and a tenth of the rate at its minimum. Both are beginnings for a trial, not results:
CTC's first fall is the way to all-blank output, so the table shows the share of blanks beside the loss.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asr.batches.examples import Batch
from asr.batches.sets import TrainingSet, load_sets
from asr.config.experiment import ExperimentConfig
from asr.errors import TrainingError, UsageError
from asr.files import atomic_write
from asr.model.directory import build_model, choose_device
from asr.progress import track
from asr.seeding import generator_for
from asr.training.denominator import denominator_for
from asr.training.processes.share import Share
from asr.training.step.update import Updater
from asr.units import Units

LOGGER = logging.getLogger("asr")
SMOOTHING = 0.9  # share of the old mean that a new loss keeps: about ten updates are seen at a time
DIVERGED = 4.0  # times the lowest smoothed loss at which the test ends
FEWEST = 10  # updates whose smoothed loss is a mean of too few to be read
TABLE, PICTURE = "learning_rate.tsv", "learning_rate.png"


@dataclass(frozen=True, slots=True)
class Trial:
    """One update: its rate, its loss a label in nats, the smoothed loss so far, the share of blank frames."""

    learning_rate: float
    loss: float
    smoothed: float
    blank_rate: float


@dataclass(frozen=True)
class RangeTest:
    """A finished test.

    Attributes:
        trials: in order of rising rate; it ends early where the loss diverged.
        steepest: rate at which the smoothed loss falls most.
        tenth_of_minimum: a tenth of the rate at which it is lowest.
        table: the TSV file.
        picture: the PNG file.
    """

    trials: Sequence[Trial]
    steepest: float
    tenth_of_minimum: float
    table: Path
    picture: Path

    def lines(self, rows: int = 20) -> list[str]:
        """A table for the terminal: some of the trials, evenly spread, and the two suggestions."""
        chosen = sorted({round(place) for place in np.linspace(0, len(self.trials) - 1, rows)})
        return [
            "learning rate\tloss\tsmoothed\tblanks",
            *(_row(self.trials[index]) for index in chosen),
            f"steepest descent: {self.steepest:.2e}",
            f"a tenth of the rate at the minimum: {self.tenth_of_minimum:.2e}",
            f"all {len(self.trials)} updates: {self.table}, picture: {self.picture}",
        ]


def find_learning_rate(
    config: ExperimentConfig,
    data: str | Path,
    experiment: str | Path,
    *,
    updates: int = 100,
    lowest: float = 1e-6,
    highest: float = 1.0,
    device: str | None = None,
    threads: int = 0,
) -> RangeTest:
    """Run the test on a fresh model and write its table and picture into the experiment folder; nothing else there.

    Args:
        config: the experiment; `training.learning_rate` is not used.
        data: data folder.
        experiment: where the table and the picture go.
        updates: number of learning rates, one an update.
        lowest: rate of the first update.
        highest: rate of the last.
        device: see `choose_device`.
        threads: CPU threads; 0 takes all cores.

    Raises:
        UsageError: too few updates or no range.
        TrainingError: the loss was not finite before anything could be read off.
    """
    if updates <= FEWEST or not 0 < lowest < highest:
        raise UsageError(
            "--updates", f"needs more than {FEWEST} updates and a rising range", "see 'asr check learning-rate --help'"
        )
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    units = Units.load(Path(data) / "units.txt")
    train, _, _ = load_sets(config, Path(data), units, chosen)
    torch.manual_seed(config.seed)
    updater = Updater(
        build_model(config, units).to(chosen), config.training, chosen,
        denominator=denominator_for(config, train, units),
    )  # fmt: skip
    rates = lowest * (highest / lowest) ** (np.arange(updates) / (updates - 1))
    trials = range_test(updater, _batches(train, config), rates.tolist(), config.training.accumulate, config.seed)
    table, picture = Path(experiment) / TABLE, Path(experiment) / PICTURE
    result = RangeTest(trials, *suggestions(trials), table, picture)
    with atomic_write(table) as stream:
        stream.write("learning_rate\tloss\tsmoothed\tblank_rate\n")
        stream.writelines(
            f"{t.learning_rate:.6e}\t{t.loss:.6f}\t{t.smoothed:.6f}\t{t.blank_rate:.4f}\n" for t in trials
        )
    _draw(result)
    return result


def range_test(
    updater: Updater, batches: Iterator[Batch], rates: Sequence[float], accumulate: int, seed: int
) -> list[Trial]:
    """One update a rate, until the last or until the smoothed loss has diverged or a loss is not finite."""
    trials: list[Trial] = []
    mean = 0.0
    for step, rate in enumerate(track(rates, "learning rates")):
        group = list(itertools.islice(batches, accumulate))
        seeds = [int(generator_for(seed, "range test", step, i).integers(2**62)) for i in range(len(group))]
        count = sum(len(batch.ids) for batch in group)
        result = updater.update(Share(group, seeds, count, len(group)), rate)
        if result.overflow:
            continue
        if not result.taken:
            LOGGER.info("the loss was not finite at a learning rate of %.2e: the test ends there", rate)
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * result.loss
        smoothed = mean / (1 - SMOOTHING ** (len(trials) + 1))
        trials.append(Trial(rate, result.loss, smoothed, result.blank_rate))
        if smoothed > DIVERGED * min(trial.smoothed for trial in trials):
            break
    return trials


def suggestions(trials: Sequence[Trial]) -> tuple[float, float]:
    """The rate of the steepest fall before the minimum of the smoothed loss, and a tenth of the rate at the minimum.

    The fall is not looked for in the first updates, whose smoothed loss is a mean of too few.

    Raises:
        TrainingError: too few trials, or the loss never fell.
    """
    remedy = "look at the data with 'asr check overfit' first"
    if len(trials) <= FEWEST:
        raise TrainingError("asr check learning-rate", f"the loss was finite for {len(trials)} updates only", remedy)
    smoothed = np.array([trial.smoothed for trial in trials])
    logarithms = np.log10([trial.learning_rate for trial in trials])
    lowest = int(np.argmin(smoothed))
    if lowest < FEWEST:
        raise TrainingError("asr check learning-rate", "the loss fell at no learning rate", remedy)
    steepest = FEWEST + int(np.argmin(np.gradient(smoothed, logarithms)[FEWEST : lowest + 1]))
    return trials[steepest].learning_rate, trials[lowest].learning_rate / 10


def _batches(train: TrainingSet, config: ExperimentConfig) -> Iterator[Batch]:
    """Shuffled, augmented batches as the later epochs see them, without end."""
    first = max(config.batching.shortest_first_epochs, config.augmentation.first_epoch)
    for epoch in itertools.count(first):
        yield from train.batches(train.plan(epoch).batches, epoch)


def _row(trial: Trial) -> str:
    return f"{trial.learning_rate:.2e}\t{trial.loss:.3f}\t{trial.smoothed:.3f}\t{100 * trial.blank_rate:.0f} %"


def _draw(test: RangeTest) -> None:
    """Loss over learning rate, the suggestions marked, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rates = [trial.learning_rate for trial in test.trials]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, [trial.loss for trial in test.trials], color="0.75", label="loss of the update")
    axes.plot(rates, [trial.smoothed for trial in test.trials], color="tab:blue", label="smoothed")
    for rate, what, style in (
        (test.steepest, "steepest descent", "-"), (test.tenth_of_minimum, "a tenth of the minimum's rate", "--"),
    ):  # fmt: skip
        axes.axvline(rate, color="tab:red", linestyle=style, label=f"{what}: {rate:.1e}")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.1 * max(trial.smoothed for trial in test.trials))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss a label (nats)")
    axes.legend()
    with atomic_write(test.picture, "wb") as stream:
        FigureCanvasAgg(figure).print_png(stream)
