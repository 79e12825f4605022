"""How a model does on a set while it is trained: greedy error rate of words (of phones: of phones), and loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from asr.batches.examples import Examples
from asr.batches.plan import deal, padded_seconds, plan_in_order
from asr.config.sections import BatchingConfig
from asr.decoding.paths.greedy import GreedyDecoder
from asr.model.acoustic import AcousticModel
from asr.model.crf import ctc_crf_loss
from asr.model.ctc import ctc_loss, per_label
from asr.model.denominator import Denominator
from asr.model.directory import seconds_per_frame
from asr.scoring.rates.wer import score
from asr.training.processes.world import World
from asr.units import Units, required_frames

BATCHING = BatchingConfig(seconds=120.0, utterances=16)


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Word (of phones, phone) and character error rate in percent, and mean loss a label in nats."""

    wer: float
    cer: float
    loss: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Hypotheses by utterance id, and losses a label of those that have one."""

    texts: dict[str, str]
    losses: dict[str, float]


def validate(
    model: AcousticModel,
    examples: Examples,
    units: Units,
    device: torch.device,
    world: World | None = None,
    denominator: Denominator | None = None,
) -> ValidationResult:
    """Decode a set greedily and score it; the loss is CTC's, or with a denominator that of CTC-CRF.

    Utterances whose text cannot be reached (outside the units, or too long for its frames) count in the error rates
    and are left out of the loss. Each process of `world` decodes its share of the same batches, and all are told the
    same result: to the bit what one process would have found.
    """
    world = world or World()
    items = examples.items(0)
    longest = max((item.seconds for item in items), default=0.0)
    batching = BATCHING.model_copy(update={"seconds": max(BATCHING.seconds, longest)})
    plan = plan_in_order(items, batching)
    owners = deal(padded_seconds(items, plan), world.size)
    own = [batch for batch, rank in zip(plan, owners, strict=True) if rank == world.rank]
    shares = world.gather(_decode(model, examples, own, units, device, denominator))
    return world.once(lambda: _score(examples, plan, shares, units))


@torch.inference_mode()
def _decode(
    model: AcousticModel,
    examples: Examples,
    plan: Sequence[Sequence[str]],
    units: Units,
    device: torch.device,
    denominator: Denominator | None,
) -> Judged:
    """Decode some batches of a set."""
    model.eval()
    decoder = GreedyDecoder(units, seconds_per_frame(examples.config))
    judged = Judged({}, {})
    for batch in examples.batches(plan, 0):
        log_probs, lengths = model(batch.features.to(device), batch.lengths.to(device))
        log_probs, lengths = log_probs.cpu(), lengths.cpu()
        if denominator is None:
            batch_losses = ctc_loss(log_probs, lengths, batch.targets)
        else:
            batch_losses = ctc_crf_loss(log_probs, lengths, batch.targets, denominator)
        batch_losses = per_label(batch_losses, batch.targets)
        for row, name in enumerate(batch.ids):
            frames = int(lengths[row])
            judged.texts[name] = decoder.decode(log_probs[row, :frames].numpy())[0].text
            target = examples.rows.target(name)
            if target is not None and required_frames(target) <= frames:
                judged.losses[name] = float(batch_losses[row])
    return judged


def _score(
    examples: Examples, plan: Sequence[Sequence[str]], shares: Sequence[Judged], units: Units
) -> ValidationResult:
    """Rates and mean loss over all shares; the losses are added in the order of the plan, whoever computed them."""
    hypotheses = {name: text for share in shares for name, text in share.texts.items()}
    by_name = {name: loss for share in shares for name, loss in share.losses.items()}
    losses = [by_name[name] for batch in plan for name in batch if name in by_name]
    references = {name: utterance.text for name, utterance in examples.utterances.items()}
    if units.kind == "phones":  # without the decoder's lexicon there are no words to compare
        references = {name: units.decode(examples.rows.target(name) or []) for name in references}
    result = score(references, hypotheses)
    loss = sum(losses) / len(losses) if losses else float("nan")
    return ValidationResult(100 * result.wer, 100 * result.cer, loss)
