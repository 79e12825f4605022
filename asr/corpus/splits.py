"""Dividing a corpus into train, dev and test, and writing the three manifests."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError

log = logging.getLogger("asr")

SPLITS = ("train", "dev", "test")
DEV_SHARE = 0.05  # of the training utterances, where a corpus has no dev set


def write_splits(out_dir: str | Path, splits: Mapping[str, Iterable[Utterance]]) -> dict[str, int]:
    """Write `<split>.jsonl` for each split, sorted by utterance id, and return the counts.

    Raises:
        CorpusError: a split other than dev is empty, or an id stands in two splits.
    """
    prepared = {name: sorted(utterances, key=lambda u: u.id) for name, utterances in splits.items()}
    seen: dict[str, str] = {}
    for name, utterances in prepared.items():
        if not utterances and name != "dev":
            raise CorpusError(out_dir, f"the {name} split is empty", "check that the corpus is complete")
        for utterance in utterances:
            if utterance.id in seen:
                raise CorpusError(utterance.id, f"stands in {seen[utterance.id]} and {name}", "make the ids unique")
            seen[utterance.id] = name
    for name, utterances in prepared.items():
        write_manifest(Path(out_dir) / f"{name}.jsonl", utterances)
        seconds = sum(utterance.duration for utterance in utterances)
        log.info("%s: %d utterances, %.1f minutes", name, len(utterances), seconds / 60)
    return {name: len(utterances) for name, utterances in prepared.items()}


def hold_out_speakers(
    utterances: Sequence[Utterance], wanted: int, groups: Mapping[str, str] | None = None
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide into (kept, held out) by whole speakers, at least `wanted` utterances held out.

    Speakers are taken in the order of a hash of their names, in turn from each group (for example each gender),
    so that the choice is the same everywhere and every group is heard in both parts.

    Args:
        utterances: all with a speaker.
        wanted: number of utterances to hold out.
        groups: speaker -> group; None puts all in one.
    """
    by_speaker: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        by_speaker[utterance.speaker].append(utterance)
    queues: dict[str, list[str]] = defaultdict(list)
    for speaker in sorted(by_speaker, key=stable_hash):
        queues[(groups or {}).get(speaker, "")].append(speaker)
    held: list[str] = []
    turn = sorted(queues)
    while sum(len(by_speaker[s]) for s in held) < wanted and len(held) + 1 < len(by_speaker):
        group = turn.pop(0)
        if queues[group]:
            held.append(queues[group].pop(0))
        turn.append(group)
    kept = [u for u in utterances if u.speaker not in held]
    return kept, [u for u in utterances if u.speaker in held]


def stable_hash(name: str) -> int:
    """A 64-bit hash that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def with_dev(
    splits: Mapping[str, list[Utterance]], groups: Mapping[str, str] | None = None
) -> dict[str, list[Utterance]]:
    """The splits with a dev set: when there is none, a twentieth of train is held out, by speaker where known."""
    train, dev = splits["train"], splits["dev"]
    if not dev and len(train) > 1:
        wanted = max(1, round(DEV_SHARE * len(train)))
        speakers = {utterance.speaker for utterance in train}
        if "" not in speakers and len(speakers) > 1:
            train, dev = hold_out_speakers(train, wanted, groups)
        else:
            ordered = sorted(train, key=lambda u: stable_hash(u.id))
            train, dev = ordered[wanted:], ordered[:wanted]
    return {**splits, "train": train, "dev": dev}


def sort_into_splits(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of subsets by how they begin: train..., dev... or val..., test... or eval...; others are left out."""
    beginnings = {"train": "train", "dev": "dev", "val": "dev", "test": "test", "eval": "test"}
    found: dict[str, list[str]] = {name: [] for name in SPLITS}
    for name in names:
        for beginning, split in beginnings.items():
            if name.lower().startswith(beginning):
                found[split].append(name)
    return found


def divide(utterances: Sequence[Utterance], share: float = 0.1) -> dict[str, list[Utterance]]:
    """Cut one set into train, dev and test, `share` of the utterances each for dev and test.

    By whole speakers where every utterance has one and there are at least three; else by a hash of the ids, with a
    warning, because then the same voice may be in all three.

    Raises:
        CorpusError: fewer than three utterances.
    """
    if len(utterances) < len(SPLITS):
        reason = f"has {len(utterances)} utterances, too few for train, dev and test"
        raise CorpusError("corpus", reason, "add recordings")
    wanted = max(1, round(share * len(utterances)))
    speakers = {utterance.speaker for utterance in utterances}
    if "" not in speakers and len(speakers) >= len(SPLITS):
        rest, test = hold_out_speakers(utterances, wanted)
        while len({u.speaker for u in rest}) < 2:  # a large speaker may have taken the place of all others
            rest, test = _give_back_a_speaker(rest, test)
        train, dev = hold_out_speakers(rest, wanted)
        return {"train": train, "dev": dev, "test": test}
    log.warning("too few known speakers to divide by speaker: the same voice may be in train, dev and test")
    ordered = sorted(utterances, key=lambda u: stable_hash(u.id))
    return {"train": ordered[2 * wanted :], "dev": ordered[:wanted], "test": ordered[wanted : 2 * wanted]}


def _give_back_a_speaker(rest: list[Utterance], held: list[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    last = max({u.speaker for u in held}, key=stable_hash)
    return rest + [u for u in held if u.speaker == last], [u for u in held if u.speaker != last]
