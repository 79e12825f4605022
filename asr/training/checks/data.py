"""What in a training set would stop training or spoil it, found from manifests and feature stores alone, in seconds.

`asr.corpus.validation` reads every recording; this reads the index of the feature stores, and the features themselves
only to find those in which nothing happens. What would make training fail is an error, everything else a warning.

Shapes: T frames, F features.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np

from asr.config.experiment import ExperimentConfig
from asr.config.sections import FeatureConfig
from asr.corpus.utterance import Utterance
from asr.corpus.validation import Offence, check_text, compare
from asr.features.computing import speed_id
from asr.features.filterbank import frame_count
from asr.features.store import FeatureStore
from asr.packed import repeats
from asr.training.checks.duplicates import SetDigest, SetDigester
from asr.units import Units

CONSTANT_RANGE = 0.5  # nats; speech spans 0.6 (one trimmed vowel) to 8, stationary noise 0.4, digital silence 0
FEWEST_FRAMES = 10  # under which a range says nothing
MOST_READ = 20_000  # utterances whose features are read in search of silence; in larger sets an even sample


@dataclass(frozen=True)
class TargetCheck:
    """What was found.

    Attributes:
        train: offences of the training set; `Offence.is_error` marks what would make training fail.
        dev: offences of the dev set.
        foreign: how often each character (word, for word units) of the training texts stands outside the units.
        utterances: number in the training set and in the dev set.
    """

    train: list[Offence]
    dev: list[Offence]
    foreign: dict[str, int]
    utterances: tuple[int, int]

    @property
    def errors(self) -> int:
        """How many offences would make training fail."""
        return sum(offence.is_error for offence in (*self.train, *self.dev))

    @property
    def unusable(self) -> set[str]:
        """Ids that training must do without."""
        return {offence.subject for offence in (*self.train, *self.dev) if offence.is_error}


def check_targets(
    train: Iterable[Utterance],
    dev: Iterable[Utterance],
    units: Units,
    config: ExperimentConfig,
    stores: tuple[FeatureStore, FeatureStore] | None,
) -> TargetCheck:
    """Look for targets that cannot be learnt and for data that should not be there.

    Errors in the training set: features that are missing (at any stored speed), a text outside the units or longer
    than its output frames can hold (labels + repeats), an utterance longer than a batch, a doubled id, an id that is
    in the dev set too. Warnings: no text, features that never change, the same audio twice or in both sets, the same
    sentence twice by one speaker, shared speakers and texts. The dev set is only decoded: there missing features
    alone are an error.

    Args:
        train: manifest of the training set, gone through up to four times; some fifty bytes an utterance are kept.
        dev: manifest of the dev set, gone through twice.
        units: what the texts are spelled with.
        config: the experiment.
        stores: features of the training set and of the dev set. Without them (training from audio) lengths are taken
            from the manifest, and what sounds alike or stays the same is not looked for: `asr validate` reads audio.
    """
    train_store, dev_store = stores or (None, None)
    check = partial(_check, store=train_store, units=units, config=config)
    check_dev = partial(_check_dev, store=dev_store, units=units, config=config)
    seen, alone = _look_at_each(train, train_store, check)
    judged, dev_alone = _look_at_each(dev, dev_store, check_dev)
    offences = [
        *_doubled_ids(seen),
        *alone,
        *compare(train, dev, "the dev set", same_speakers=True),
        *_doubled_audio(seen),
        *_repeated_texts(seen, train),
    ]
    dev_offences = [*_doubled_ids(judged), *dev_alone]
    foreign = count_foreign((each.text for each in train), units)
    if train_store is not None and dev_store is not None:
        offences += _shared_audio(seen, judged)
        offences += _constant(seen, train_store, config.features)
        dev_offences += _constant(judged, dev_store, config.features)
    return TargetCheck(offences, dev_offences, foreign, (len(seen), len(judged)))


def _look_at_each(
    utterances: Iterable[Utterance],
    store: FeatureStore | None,
    check: Callable[[Utterance, int], Iterable[Offence]],
) -> tuple[SetDigest, list[Offence]]:
    """One pass over a set: what tells its utterances apart, and the offences of each by itself."""
    digester, offences = SetDigester(), list[Offence]()
    for line, utterance in enumerate(utterances):
        digester.observe(utterance, store)
        offences += check(utterance, line)
    return digester.finish(), offences


def count_foreign(texts: Iterable[str], units: Units) -> dict[str, int]:
    """How often each character (or word, for word units and phones) without a unit occurs, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts:
        for symbol in units.missing(text):
            counts[symbol] += text.split().count(symbol) if units.kind in ("words", "phones") else text.count(symbol)
    return dict(counts.most_common())


def _check(
    utterance: Utterance, line: int, store: FeatureStore | None, units: Units, config: ExperimentConfig
) -> Iterator[Offence]:
    """Offences of one training utterance by itself."""
    frames = _frames(utterance, 1.0, store, config.features)
    if frames is None:
        yield _no_features(utterance.id, utterance.id, store, line)
        return
    yield from check_text(utterance, line, units, -(-frames // config.model.time_reduction))
    if not frames:
        yield Offence("no features", utterance.id, "is shorter than one feature frame; drop it", "drop", line)
    longest, at = frames, 1.0
    for speed in config.augmentation.speeds:
        changed = _frames(utterance, speed, store, config.features)
        if changed is None:
            yield _no_features(utterance.id, speed_id(utterance.id, speed), store, line)
        elif changed > longest and config.augmentation.first_epoch < config.training.epochs:
            longest, at = changed, speed
    seconds = longest * config.features.frame_shift_ms / 1000
    if seconds > config.batching.seconds:
        slowed = f" at speed {at:g}" if at != 1.0 else ""
        message = f"is {seconds:.1f} s long{slowed}, a batch holds {config.batching.seconds:g} s"
        yield Offence("too long", utterance.id, f"{message}; raise batching.seconds or drop it", "drop", line)


def _frames(utterance: Utterance, speed: float, store: FeatureStore | None, config: FeatureConfig) -> int | None:
    """Feature frames of an utterance at a speed; None where a store lacks it."""
    if store is None:
        return frame_count(int(utterance.duration * config.sample_rate / speed), config)
    stored = speed_id(utterance.id, speed)
    return store.frames(stored) if stored in store else None


def _no_features(name: str, stored: str, store: FeatureStore | None, line: int) -> Offence:
    where = store.directory if store is not None else "the store"
    message = f"{stored} is not in {where}; run 'asr features' on this manifest with the same --speeds"
    return Offence("no features", name, message, "drop", line)


def _check_dev(
    utterance: Utterance, line: int, store: FeatureStore | None, units: Units, config: ExperimentConfig
) -> Iterator[Offence]:
    """Offences of one dev utterance by itself, which stop nothing as long as it has features."""
    frames = _frames(utterance, 1.0, store, config.features)
    if frames is None:
        yield _no_features(utterance.id, utterance.id, store, line)
        return
    for offence in check_text(utterance, line, units, -(-frames // config.model.time_reduction)):
        yield replace(offence, action="nothing")


def _doubled_ids(seen: SetDigest) -> Iterator[Offence]:
    for line in repeats(seen.names):
        message = "doubled id, of which only the last would be used; give each utterance its own"
        yield Offence("doubled id", seen.names[line], message, "drop", line)


def _doubled_audio(seen: SetDigest) -> Iterator[Offence]:
    """Utterances that sound exactly as an earlier one: the same span of a file, or a copy with the same features."""
    for line, earlier in seen.audio_twins():
        other = "" if seen.texts[earlier] == seen.texts[line] else ", with another text"
        message = f"is the same audio as {seen.names[earlier]}{other}; keep one of them"
        yield Offence("doubled audio", seen.names[line], message, "nothing", line)


def _shared_audio(seen: SetDigest, judged: SetDigest) -> Iterator[Offence]:
    """Training utterances whose features are those of a dev utterance under another id."""
    for line, twin in seen.sounding_as(judged):
        name, other = seen.names[line], judged.names[twin]
        if name != other:
            message = f"is the same audio as {other} of the dev set; the dev error rate would be too good: drop one"
            yield Offence("shared audio", name, message, "nothing", line)


def _repeated_texts(seen: SetDigest, utterances: Iterable[Utterance]) -> Iterator[Offence]:
    """One warning for all sentences that a speaker says more than once."""
    repeated, most, first = seen.repeated_texts()
    if repeated:
        example = next(islice(utterances, first, None))
        message = (
            f"{repeated} utterances repeat a text of the same speaker ({example.speaker}: {example.text[:40]!r} {most} "
            "times); fine for digits and spelling, else look for recordings that were filed twice"
        )
        yield Offence("repeated text", "texts", message, "nothing")


def _constant(seen: SetDigest, store: FeatureStore, config: FeatureConfig) -> Iterator[Offence]:
    """Utterances with a text in which the level never changes: digital silence, hum, noise, a dead channel."""
    for line in range(0, len(seen), max(1, -(-len(seen) // MOST_READ))):
        name = seen.names[line]
        if not seen.spoken[line] or name not in store or store.frames(name) < FEWEST_FRAMES:
            continue
        low, high = np.percentile(level(store[name], config), [5, 95])
        if high - low < CONSTANT_RANGE:
            message = f"sounds the same throughout (its level spans {high - low:.2f} nats): silence, hum or noise?"
            yield Offence("constant", name, message, "nothing", line)


def level(matrix: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Level of each frame (T,) in nats, from features (T, F): the mean log-mel, or the MFCC's zeroth coefficient."""
    first = -1 if config.htk_compat else 0
    if config.kind == "mfcc":
        return matrix[:, first] if config.use_energy else matrix[:, first] / np.sqrt(config.mel_bins)
    if config.use_energy:
        matrix = np.delete(matrix, first, axis=1)
    return matrix.mean(axis=1)


def summarise(offences: Sequence[Offence], most_named: int = 5) -> list[str]:
    """One line for each kind of offence: how many, an example in full, and the ids of a few more.

    Args:
        offences: any.
        most_named: ids listed for a kind.
    """
    groups: dict[tuple[bool, str], list[Offence]] = defaultdict(list)
    for offence in offences:
        groups[not offence.is_error, offence.kind].append(offence)
    lines = []
    for (harmless, kind), found in sorted(groups.items()):
        count = f" ({len(found)})" if len(found) > 1 else ""
        lines.append(f"{'warning' if harmless else 'error'}: {kind}{count}: {found[0]}")
        others = [offence.subject for offence in found[1:most_named]]
        if others:
            more = f" and {len(found) - most_named} more" if len(found) > most_named else ""
            lines[-1] += f" (also {', '.join(others)}{more})"
    return lines
