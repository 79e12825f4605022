"""An LSTM language model over words or units, for rescoring n-best lists.

Embedding, LSTM layers, and an output layer that shares its weights with the embedding (Press & Wolf 2017). It reads
left to right, so padding at the end of a row of a batch touches nothing that counts.

Legend: B sentences in a batch, T tokens of the longest with its boundary, V words, E embedding width, H memory cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from asr.config.experiment import Section, save_config
from asr.errors import DecodingError
from asr.files import atomic_write
from asr.lm.ngram import BEGIN, BEGIN_ID, END, END_ID, UNKNOWN, UNKNOWN_ID, LMUnit

WEIGHTS, CONFIG, WORDS = "model.safetensors", "config.yaml", "words.txt"
LOGITS_PER_BATCH = 1 << 24  # tokens times V while scoring: 64 MiB of float32
IGNORED = -100  # target of padding, as torch's cross entropy expects it


class LstmLmConfig(Section):
    """Network, vocabulary and training of an LSTM language model."""

    unit: LMUnit = "words"
    embedding: int = Field(256, ge=1)
    hidden: int = Field(512, ge=1, description="memory cells per layer")
    layers: int = Field(2, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    max_words: int = Field(20000, ge=1, description="most frequent words kept; the others become <unk>")
    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    warmup_share: float = Field(0.02, ge=0, lt=1)
    weight_decay: float = Field(1e-2, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    batch_tokens: int = Field(2048, ge=1, description="tokens of padded text per update")
    save_steps: int = Field(500, ge=1, description="updates between resumable checkpoints")
    patience: int = Field(2, ge=0, description="epochs without a better dev perplexity before stopping; 0 never stops")
    seed: int = Field(1, ge=0)


class LstmNetwork(nn.Module):
    """Word ids in, logits of the next word out."""

    def __init__(self, config: LstmLmConfig, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, config.embedding)
        nn.init.normal_(self.embedding.weight, std=config.embedding**-0.5)
        between = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True, dropout=between)
        self.projection = nn.Linear(config.hidden, config.embedding)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) of the word after each of the tokens (B, T)."""
        states, _ = self.lstm(self.dropout(self.embedding(tokens)))
        features = self.dropout(self.projection(states))
        return nn.functional.linear(features, self.embedding.weight, self.bias)


def build_vocabulary(sentences: Iterable[Sequence[str]], max_words: int) -> list[str]:
    """The special words and the most frequent others, frequent ones first.

    Raises:
        DecodingError: no words, or boundary marks among them.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    if counts.pop(BEGIN, 0) + counts.pop(END, 0):
        raise DecodingError(
            "text", f"contains the word {BEGIN} or {END}", "remove it: boundaries are added by themselves"
        )
    counts.pop(UNKNOWN, None)
    if not counts:
        raise DecodingError("text", "is empty", "give text with at least one sentence")
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:max_words]
    return [UNKNOWN, BEGIN, END, *frequent]


def pad(sentences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Inputs (B, T), each beginning with <s>, and targets (B, T), each ending with </s>, padded with IGNORED."""
    longest = max(map(len, sentences)) + 1
    inputs = torch.full((len(sentences), longest), END_ID)
    targets = torch.full((len(sentences), longest), IGNORED)
    for row, sentence in enumerate(sentences):
        inputs[row, : len(sentence) + 1] = torch.tensor([BEGIN_ID, *sentence])
        targets[row, : len(sentence) + 1] = torch.tensor([*sentence, END_ID])
    return inputs, targets


class LstmLanguageModel:
    """A trained network with its vocabulary."""

    def __init__(self, words: Sequence[str], network: LstmNetwork, config: LstmLmConfig) -> None:
        self.words = list(words)
        self.ids = {word: index for index, word in enumerate(self.words)}
        self.network = network
        self.config = config

    @property
    def unit(self) -> LMUnit:
        """What a word of the model is."""
        return self.config.unit

    def encode(self, sentence: Sequence[str]) -> list[int]:
        """Word ids; words outside the vocabulary are "<unk>"."""
        return [self.ids.get(word, UNKNOWN_ID) for word in sentence]

    def unknown(self, sentence: Sequence[str]) -> np.ndarray:
        """Whether each word is outside the vocabulary: (n,) bool."""
        return np.asarray([index == UNKNOWN_ID for index in self.encode(sentence)], bool)

    def word_scores(self, sentence: Sequence[str]) -> np.ndarray:
        """Natural log-probability of each word and of the sentence end: (n + 1,)."""
        return self.batch_scores([sentence])[0]

    def score(self, sentences: Sequence[Sequence[str]]) -> list[float]:
        """Natural log-probability of each sentence; the same in any batch."""
        return [float(scores.sum()) for scores in self.batch_scores(sentences)]

    @torch.no_grad()
    def batch_scores(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """`word_scores` of many sentences, computed in batches of similar length."""
        self.network.eval()
        device = self.network.bias.device
        encoded = [self.encode(sentence) for sentence in sentences]
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
        results: list[np.ndarray] = [np.empty(0)] * len(encoded)
        tokens = max(1, LOGITS_PER_BATCH // len(self.words))
        for batch in cut_batches(order, [len(sentence) + 1 for sentence in encoded], tokens):
            inputs, targets = (part.to(device) for part in pad([encoded[index] for index in batch]))
            logits = self.network(inputs).float()
            picked = logits.gather(2, targets.clamp(min=0)[:, :, None])[:, :, 0] - logits.logsumexp(2)
            for index, row in zip(batch, picked.double().cpu().numpy(), strict=True):
                results[index] = row[: len(encoded[index]) + 1]
        return results

    def save(self, directory: str | Path) -> None:
        """Write weights, configuration and vocabulary; the weights come last, so that a folder with them is whole."""
        directory = Path(directory)
        save_config(self.config, directory / CONFIG)
        with atomic_write(directory / WORDS) as text:
            text.writelines(word + "\n" for word in self.words)
        payload = save({name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()})
        with atomic_write(directory / WEIGHTS, "wb") as stream:
            stream.write(payload)

    @staticmethod
    def load(directory: str | Path, device: str = "cpu") -> LstmLanguageModel:
        """Read what `save` wrote.

        Raises:
            DecodingError: missing, incomplete or inconsistent folder.
        """
        folder = Path(directory)
        try:
            config = LstmLmConfig.model_validate(yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8")))
            words = (folder / WORDS).read_text(encoding="utf-8").split("\n")[:-1]
            network = LstmNetwork(config, len(words))
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, ValidationError, yaml.YAMLError, SafetensorError, RuntimeError) as error:
            reason = f"is not a whole LSTM language model ({' '.join(str(error).split())[:200]})"
            raise DecodingError(folder, reason, "train it again with 'asr lm train --lstm'") from None
        return LstmLanguageModel(words, network.to(device), config)


def cut_batches(order: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Cut indices, in the order given, where the padded batch would exceed a number of tokens."""
    batches: list[list[int]] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if not batches or (len(batches[-1]) + 1) * longest > tokens:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return batches
