"""How a model does on a set while it is trained: greedy word error rate and CTC loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from asr.batching import plan_in_order
from asr.config import BatchingConfig
from asr.decoding.greedy import GreedyDecoder
from asr.model.acoustic import AcousticModel
from asr.model.ctc import ctc_loss, per_label
from asr.model.directory import seconds_per_frame
from asr.scoring.wer import score
from asr.training.examples import Examples
from asr.units import Units, required_frames

BATCHING = BatchingConfig(seconds=120.0, utterances=16)


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Word and character error rate in percent, and mean loss a label in nats."""

    wer: float
    cer: float
    loss: float


@torch.inference_mode()
def validate(model: AcousticModel, examples: Examples, units: Units, device: torch.device) -> ValidationResult:
    """Decode a set greedily and score it.

    Utterances whose text cannot be reached (outside the units, or too long for its frames) count in the error rates
    and are left out of the loss.
    """
    model.eval()
    decoder = GreedyDecoder(units, seconds_per_frame(examples.config))
    hypotheses: dict[str, str] = {}
    losses: list[float] = []
    longest = max((item.seconds for item in examples.items(0)), default=0.0)
    batching = BATCHING.model_copy(update={"seconds": max(BATCHING.seconds, longest)})
    for batch in examples.batches(plan_in_order(examples.items(0), batching), 0):
        log_probs, lengths = model(batch.features.to(device), batch.lengths.to(device))
        log_probs, lengths = log_probs.cpu(), lengths.cpu()
        batch_losses = per_label(ctc_loss(log_probs, lengths, batch.targets), batch.targets)
        for row, name in enumerate(batch.ids):
            frames = int(lengths[row])
            hypotheses[name] = decoder.decode(log_probs[row, :frames].numpy())[0].text
            target = examples.targets[name]
            if target is not None and required_frames(target) <= frames:
                losses.append(float(batch_losses[row]))
    references = {name: utterance.text for name, utterance in examples.utterances.items()}
    result = score(references, hypotheses)
    loss = sum(losses) / len(losses) if losses else float("nan")
    return ValidationResult(100 * result.wer, 100 * result.cer, loss)
