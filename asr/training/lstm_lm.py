"""Training the LSTM language model: deterministic, resumable at any update, judged by dev perplexity.

Every draw (order of batches, dropout) is derived from the seed and the position, so that a run that was killed and
resumed ends in the same bits as one that was not (CPU, one number of threads).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from pydantic import ValidationError
from torch import nn

from asr.config.sections import TrainingConfig
from asr.errors import CheckpointError, ConfigError, TrainingError, UsageError
from asr.lm.lstm import IGNORED, LstmLanguageModel, LstmLmConfig, LstmNetwork, build_vocabulary, cut_batches, pad
from asr.lm.ngram import LMUnit
from asr.lm.perplexity import score_sentences, total
from asr.lm.text import read_sentences, tokenizer_for
from asr.seeding import generator_for
from asr.training.checkpoint import list_checkpoints, load_newest, save_checkpoint
from asr.training.lock import training_lock
from asr.training.step.schedule import learning_rate
from asr.units import Units

LOGGER = logging.getLogger("asr")
KEEP = 2  # resumable checkpoints
Sentences = Sequence[Sequence[str]]


def load_lm_config(path: str | Path | None, settings: Iterable[str], unit: LMUnit) -> LstmLmConfig:
    """Settings of an LSTM language model.

    Args:
        path: YAML file; None starts from the defaults.
        settings: "key=value" strings; the value is read as YAML.
        unit: what a word of the model is.

    Raises:
        ConfigError: unreadable file, unknown key or a value out of range.
    """
    try:
        tree = {**(yaml.safe_load(Path(path).read_text(encoding="utf-8")) if path else {}), "unit": unit}
        pairs = [setting.partition("=") for setting in settings]
        return LstmLmConfig.model_validate({**tree, **{key: yaml.safe_load(value) for key, _, value in pairs}})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(key, first["msg"].lower(), "see LstmLmConfig in asr/lm/lstm.py") from None
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(
            str(path), f"cannot be read ({' '.join(str(error).split())})", "give a YAML mapping"
        ) from None


@dataclass
class Position:
    """Where training stands."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    perplexities: list[float] = field(default_factory=list)


def train_from_texts(
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
    config: LstmLmConfig,
    out: str | Path,
    units: Units | None = None,
    resume: bool = False,
    device: str = "cpu",
) -> float:
    """`train_lstm_lm` on texts and manifests, split into the words that `config.unit` names.

    Raises:
        UsageError: no dev text, or unit "units" without units.
    """
    if not dev:
        raise UsageError("--dev", "is missing", "give held-out text that chooses the best epoch")
    tokenize = tokenizer_for(config.unit, units)
    return train_lstm_lm(
        list(read_sentences(train, tokenize)), list(read_sentences(dev, tokenize)), config, out, resume, device
    )


def train_lstm_lm(
    train: Sentences,
    dev: Sentences,
    config: LstmLmConfig,
    out: str | Path,
    resume: bool = False,
    device: str = "cpu",
) -> float:
    """Train a model and write it to the folder `out`, with its resumable states in `out/checkpoints`.

    Args:
        train: words of each training sentence.
        dev: held-out sentences; the epoch with the lowest perplexity on them becomes the model.
        config: network and training.
        out: folder of the model.
        resume: go on from the newest checkpoint.
        device: where to train.

    Returns:
        Dev perplexity of the model written, unknown words included.

    Raises:
        CheckpointError: there are checkpoints and `resume` was not asked for, or they belong to other data or settings.
        TrainingError: the loss is not finite, or another training runs in the folder.
    """
    with training_lock(out):
        trainer = _LmTrainer(train, dev, config, Path(out), device)
        trainer.restore(resume)
        return trainer.run()


class _LmTrainer:
    def __init__(self, train: Sentences, dev: Sentences, config: LstmLmConfig, out: Path, device: str) -> None:
        self.config, self.out, self.dev, self.device = config, out, dev, device
        torch.manual_seed(config.seed)
        words = build_vocabulary(train, config.max_words)
        self.model = LstmLanguageModel(words, LstmNetwork(config, len(words)).to(device), config)
        self.encoded = [self.model.encode(sentence) for sentence in train]
        self.network = self.model.network
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.schedule = TrainingConfig(learning_rate=config.learning_rate, warmup_share=config.warmup_share)
        self.position = Position()
        self.best: dict[str, torch.Tensor] = {}
        self.loss_sum, self.loss_tokens = 0.0, 0
        digest = hashlib.sha256(json.dumps([config.model_dump(), words, self.encoded, *map(list, dev)]).encode())
        self.fingerprint = digest.hexdigest()

    def restore(self, resume: bool) -> None:
        """Load the newest checkpoint, or make sure that there is none."""
        folder = self.out / "checkpoints"
        if not resume:
            if list_checkpoints(folder):
                raise CheckpointError(folder, "holds an earlier training", "add --resume, or choose another folder")
            return
        state = load_newest(folder)
        if state is None:
            LOGGER.info("%s: nothing to resume, starting", folder)
            return
        if state["fingerprint"] != self.fingerprint:
            reason = "belongs to other settings or another text"
            raise CheckpointError(folder, reason, "resume with the same ones, or choose another folder")
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]
        self.position = Position(**state["position"])
        LOGGER.info("resumed at update %d", self.position.step)

    def run(self) -> float:
        """Train to the end and write the best model."""
        while self.position.epoch < self.config.epochs and not self._out_of_patience():
            self._epoch()
        self.network.load_state_dict(self.best)
        self.model.save(self.out)
        return min(self.position.perplexities)

    def _epoch(self) -> None:
        batches = self._batches()
        for batch in batches[self.position.batch :]:
            self._update(batch, len(batches))
            if self.position.step % self.config.save_steps == 0 and self.position.batch < len(batches):
                self._save()
        perplexity = total(score_sentences(self.model, self.dev)).perplexity
        self.position.perplexities.append(perplexity)
        if perplexity == min(self.position.perplexities):
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
        self.position.epoch += 1
        self.position.batch = 0
        training = math.exp(self.loss_sum / max(1, self.loss_tokens))
        self.loss_sum, self.loss_tokens = 0.0, 0
        LOGGER.info("epoch %d: train perplexity %.2f, dev %.2f", self.position.epoch, training, perplexity)
        self._save()

    def _batches(self) -> list[list[int]]:
        """Sentences of similar length together, the batches in an order of this epoch's own."""
        draw = generator_for(self.config.seed, "language model", self.position.epoch)
        lengths = [len(sentence) + 1 for sentence in self.encoded]
        order = np.argsort(np.asarray(lengths) + draw.random(len(lengths)), kind="stable").tolist()
        batches = cut_batches(order, lengths, self.config.batch_tokens)
        return [batches[index] for index in draw.permutation(len(batches))]

    def _update(self, batch: list[int], batches: int) -> None:
        position = self.position
        torch.manual_seed(int(generator_for(self.config.seed, "dropout", position.step).integers(2**62)))
        progress = (position.epoch + (position.batch + 1) / batches) / self.config.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress, self.schedule)
        self.network.train()
        inputs, targets = (part.to(self.device) for part in pad([self.encoded[index] for index in batch]))
        logits = self.network(inputs)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        loss = loss.detach()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            reason = f"update {position.step + 1} has loss {float(loss)} and gradient norm {float(norm)}"
            raise TrainingError("language model", reason, "resume with a lower learning_rate or clip_norm")
        self.optimizer.step()
        tokens = int((targets != IGNORED).sum())
        self.loss_sum += float(loss) * tokens
        self.loss_tokens += tokens
        position.step += 1
        position.batch += 1

    def _out_of_patience(self) -> bool:
        seen = self.position.perplexities
        return bool(self.config.patience and seen and len(seen) - 1 - int(np.argmin(seen)) >= self.config.patience)

    def _save(self) -> None:
        state: dict[str, Any] = {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "position": vars(self.position),
            "fingerprint": self.fingerprint,
        }
        save_checkpoint(self.out / "checkpoints", self.position.step, state, KEEP)
