"""Can the model learn one batch by heart? What cannot be learnt even so will not be learnt from a corpus either.

The cheapest of all checks of a recipe: no augmentation, no dropout, one batch of middling length again and again until
greedy decoding returns its texts word for word. Where it does not, the causes are read off what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from asr.batches.examples import Batch
from asr.batches.sets import load_sets
from asr.config.experiment import ExperimentConfig
from asr.decoding.paths.greedy import GreedyDecoder
from asr.errors import TrainingError, UsageError
from asr.model.acoustic import AcousticModel
from asr.model.directory import build_model, choose_device, seconds_per_frame
from asr.progress import track
from asr.scoring.rates.wer import score
from asr.seeding import generator_for
from asr.training.metrics import ALL_BLANK
from asr.training.processes.share import Share
from asr.training.step.update import Updater
from asr.units import Units, required_frames

JUDGED_EVERY = 10  # updates between two decodings
WARMUP = 20  # updates over which the learning rate rises
TIGHT = 0.8  # share of the output frames that a text may need before it is called a likely cause


@dataclass(frozen=True)
class Overfitting:
    """How far it came.

    Attributes:
        utterances: in the batch.
        updates: done.
        wer: greedy, of the batch, in percent.
        first_loss: of the first update, nats a label.
        loss: of the last.
        blank_rate: share of blank frames in the last.
        gradient_norm: of the last, before clipping.
        tightest: largest share of its output frames that a text of the batch needs, 0..1.
    """

    utterances: int
    updates: int
    wer: float
    first_loss: float
    loss: float
    blank_rate: float
    gradient_norm: float
    tightest: float

    @property
    def line(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.utterances} utterances, {self.updates} updates: WER {self.wer:.2f} %, "
            f"loss {self.first_loss:.3f} -> {self.loss:.3f}, blanks {100 * self.blank_rate:.0f} %"
        )


def overfit_one_batch(
    config: ExperimentConfig,
    data: str | Path,
    *,
    updates: int = 500,
    device: str | None = None,
    threads: int = 0,
) -> Overfitting:
    """Train a fresh model on one batch until its greedy WER is 0; nothing is written.

    Args:
        config: the experiment; dropout, augmentation and the moving average are switched off, and the
            criterion is CTC, which alone can begin with a fresh model.
        data: data folder.
        updates: at most.
        device: see `choose_device`.
        threads: CPU threads; 0 takes all cores.

    Raises:
        TrainingError: the WER is not 0 after so many updates; says the likely causes.
        UsageError: no update is allowed.
    """
    if updates < 1:
        raise UsageError("--updates", "must be at least 1", "leave it out for 500")
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    config = _plain(config)
    units = Units.load(Path(data) / "units.txt")
    train, _, _ = load_sets(config, Path(data), units, chosen)
    plan = train.plan(0)
    batch = next(iter(train.batches([plan.batches[len(plan.batches) // 2]], 0)))
    torch.manual_seed(config.seed)
    updater = Updater(build_model(config, units).to(chosen), config.training, chosen)
    result = _repeat(updater, batch, config, units, updates)
    if result.wer > 0:
        raise TrainingError("asr check overfit", f"{result.line}; likely causes: {causes(result, config)}", _REMEDY)
    return result


def causes(result: Overfitting, config: ExperimentConfig) -> str:
    """What most likely kept one batch from being learnt, the likeliest first."""
    rate = config.training.learning_rate
    found = []
    if not result.loss < float("inf"):
        found.append(f"the loss is not finite: training.learning_rate {rate:g} is too high or features are broken")
    if result.loss > 0.9 * result.first_loss:
        found.append(f"the loss hardly fell: training.learning_rate {rate:g} is far off ('asr check learning-rate')")
    elif result.blank_rate >= ALL_BLANK:
        found.append(
            f"nothing but blanks yet: too few updates for training.learning_rate {rate:g}, "
            "or no layer normalisation (model.layer_norm)"
        )
    if result.tightest > TIGHT:
        found.append(
            f"a text needs {100 * result.tightest:.0f} % of its output frames: lower model.time_reduction "
            f"(now {config.model.time_reduction})"
        )
    if result.gradient_norm > 10 * config.training.clip_norm:
        found.append(f"gradients of norm {result.gradient_norm:.0f} are clipped to {config.training.clip_norm:g}")
    if not found:
        found.append("too few updates, too small a model (model.hidden), or texts that do not belong to the audio")
    return "; ".join(found)


_REMEDY = "correct that before training on everything"


def _plain(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment without anything that makes it hard to learn by heart."""
    model = config.model.model_copy(update={"dropout": 0.0})
    augmentation = config.augmentation.model_copy(update={"first_epoch": 1})
    plain = {"ema": 0.0, "label_smoothing": 0.0, "workers": 0, "criterion": "ctc"}
    training = config.training.model_copy(update=plain)
    return config.model_copy(update={"model": model, "augmentation": augmentation, "training": training})


def _repeat(updater: Updater, batch: Batch, config: ExperimentConfig, units: Units, updates: int) -> Overfitting:
    """Train on one batch until it is known by heart or for so many updates."""
    needed = [required_frames(target) for target in batch.targets]
    frames = [-(-int(length) // config.model.time_reduction) for length in batch.lengths]
    tightest = max(need / max(1, have) for need, have in zip(needed, frames, strict=True))
    first_loss = result = None
    for step in track(range(1, updates + 1), "updates on one batch"):
        rate = config.training.learning_rate * min(1.0, step / WARMUP)
        seed = int(generator_for(config.seed, "overfit", step).integers(2**62))
        update = updater.update(Share([batch], [seed], len(batch.ids), 1), rate)
        first_loss = update.loss if first_loss is None else first_loss
        if step % JUDGED_EVERY and step != updates:
            continue
        wer = _word_error_rate(updater.model, batch, units, config, updater.device)
        result = Overfitting(
            len(batch.ids), step, wer, first_loss, update.loss, update.blank_rate, update.gradient_norm, tightest
        )
        if wer == 0:
            break
    assert result is not None  # the last update is always judged
    return result


@torch.inference_mode()
def _word_error_rate(
    model: AcousticModel, batch: Batch, units: Units, config: ExperimentConfig, device: torch.device
) -> float:
    """Greedy, in percent, against the texts that the targets spell."""
    model.eval()
    log_probs, lengths = model(batch.features.to(device), batch.lengths.to(device))
    decoder, host = GreedyDecoder(units, seconds_per_frame(config)), log_probs.cpu().numpy()
    readings = [decoder.decode(rows[:length]) for rows, length in zip(host, lengths.tolist(), strict=True)]
    references = {name: units.decode(target) for name, target in zip(batch.ids, batch.targets, strict=True)}
    hypotheses = {name: reading[0].text for name, reading in zip(batch.ids, readings, strict=True)}
    return 100 * score(references, hypotheses).wer
