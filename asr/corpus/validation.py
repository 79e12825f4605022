"""What is wrong with a manifest (`validate`), kept apart from what can be done about it (`fix`)."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from asr.audio.reading import AudioInfo, audio_info, read_audio
from asr.corpus.manifest import load_manifest, read_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, CorpusError
from asr.progress import track
from asr.units import Units, required_frames

log = logging.getLogger("asr")

SPAN_TOLERANCE = 0.01  # seconds an utterance may pass its recording's end: times are written with few digits
SILENCE_PEAK = 1e-3  # -60 dB of full scale
WINDOW_OVERHANG = 0.015  # seconds lost to the last 25 ms window, which must fit whole at a 10 ms step
JOINERS = "\u200c\u200d"  # part of the spelling in Persian and Indian scripts
FRAME_SECONDS = 0.04  # one output frame of the usual model: 10 ms features, four to one
Kind = Literal[
    "doubled id", "unreadable audio", "empty audio", "span", "silence", "clipping", "characters", "too short",
    "no text", "shared speaker", "shared id", "shared text",
    "letters", "no features", "too long", "constant", "doubled audio", "shared audio", "repeated text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offence:
    """One thing wrong.

    Attributes:
        kind: which check found it.
        subject: the utterance id, or the speaker or text that two manifests share.
        message: what is wrong and how to fix it, one line.
        action: what `fix` does: drop the utterances of `subject`, trim its span, or nothing (a warning).
        line: for an utterance, its place in the manifest counted from 0.
    """

    kind: Kind
    subject: str
    message: str
    action: Literal["drop", "trim", "nothing"]
    line: int = -1

    @property
    def is_error(self) -> bool:
        """Whether it must be dealt with, as against a warning."""
        return self.action != "nothing"

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


def validate(
    manifest: str | Path,
    *,
    against: str | Path | None = None,
    units: Units | None = None,
    frame_seconds: float = FRAME_SECONDS,
    same_speakers: bool = False,
) -> Iterator[Offence]:
    """Yield all offences of a manifest, reading all its audio.

    Args:
        manifest: to be checked.
        against: another manifest that must share no speaker and no utterance with this one, such as train for test;
            shared texts are a warning, since digits and spelled names repeat by nature.
        units: what the texts must be spelled with; None accepts all characters, and a text too long for its frames as
            characters is a warning.
        frame_seconds: seconds of one output frame of the model.
        same_speakers: whether both manifests have the same speakers by design (FSDD's official split, yesno), so that
            a shared speaker is a warning.

    Raises:
        CorpusError: an unreadable or empty manifest.
    """
    utterances = load_manifest(manifest)
    seen: set[str] = set()
    for line, utterance in enumerate(track(utterances, "validate")):
        if utterance.id in seen:
            message = "doubled id; give each utterance its own, or --fix drops all but the first"
            yield Offence("doubled id", utterance.id, message, "drop", line)
        seen.add(utterance.id)
        frames = max(0, int((utterance.duration - WINDOW_OVERHANG) / frame_seconds))
        yield from check_text(utterance, line, units, frames)
        yield from _check_audio(utterance, line)
    if against is not None:
        yield from compare(utterances, read_manifest(against), str(against), same_speakers=same_speakers)


def fix(manifest: str | Path, offences: Iterable[Offence], out: str | Path) -> dict[str, int]:
    """Write the manifest without what is wrong: drop utterances, trim spans.

    Returns:
        Numbers of utterances "kept" (trimmed ones included), "trimmed" and "dropped".

    Raises:
        CorpusError: nothing would be left.
    """
    offences = list(offences)
    dropped = {o.line for o in offences if o.action == "drop" and o.line >= 0}
    trimmed = {o.line for o in offences if o.action == "trim"} - dropped
    speakers = {o.subject for o in offences if o.kind == "shared speaker" and o.is_error}
    fixed = []
    counts = Counter(kept=0, trimmed=0, dropped=0)
    for line, utterance in enumerate(read_manifest(manifest)):
        if line in dropped or (utterance.speaker and utterance.speaker in speakers):
            counts["dropped"] += 1
            continue
        counts["kept"] += 1
        counts["trimmed"] += line in trimmed
        fixed.append(_trim(utterance) if line in trimmed else utterance)
    if not fixed:
        raise CorpusError(manifest, "has no utterance without an offence", "correct it by hand")
    write_manifest(out, fixed)
    return dict(counts)


def check_text(utterance: Utterance, line: int, units: Units | None, frames: int) -> Iterator[Offence]:
    """Offences of a text: none at all, characters outside the units, longer than its output frames can hold.

    Args:
        utterance: whose text.
        line: its place in the manifest.
        units: as for `validate`.
        frames: output frames of the model.
    """
    text = " ".join(utterance.text.split())
    if not text:
        yield Offence(
            "no text", utterance.id, "has no text; fine in a noise or test set, useless in training", "nothing"
        )
        return
    yield from _check_letters(utterance, text, line)
    missing = units.missing(text) if units is not None else []
    if missing:
        listed = " ".join(f"{symbol!r}" for symbol in missing)
        case = other_case(text, units) if units is not None else ""
        remedy = f"they are written in {case}" if case else "normalise the text or build the units anew"
        message = f"{listed} outside the units; {remedy}"
        # Words and BPE spell what they do not know as <unk>, which is no harm where it is rare; characters
        # and phones cannot.
        fatal = units is not None and (
            units.kind in ("characters", "phones") or bool(case) or _nothing_known(text, missing, units)
        )
        yield Offence("characters", utterance.id, message, "drop" if fatal else "nothing", line)
        if fatal:
            return
    needed = required_frames(units.encode(text) if units is not None else text)
    if needed > frames:
        # Without an inventory the units may be longer than characters, and then the text may fit after all.
        spelled = "the text needs" if units is not None else "as characters the text needs"
        message = (
            f"{utterance.duration:.2f} s give {frames} frames but {spelled} {needed}; "
            "correct the text or the times, or use a smaller time reduction or larger units"
        )
        yield Offence("too short", utterance.id, message, "nothing" if units is None else "drop", line)


def other_case(text: str, units: Units) -> str:
    """ "capitals" or "small letters" where the text, written so, could be spelled whole; "" elsewhere."""
    for name, written in (("capitals", text.upper()), ("small letters", text.lower())):
        if written != text and not units.missing(written):
            return name
    return ""


def _nothing_known(text: str, missing: list[str], units: Units) -> bool:
    """Whether none of several words, or no letter at all, has a unit."""
    if units.kind == "words":
        return len(missing) == len(set(text.split())) > 1
    return set(text) - {" "} == set(missing)


def _check_letters(utterance: Utterance, text: str, line: int) -> Iterator[Offence]:
    """Letters that look like others: two ways to write a text would be two units or two words."""
    hidden = sorted({letter for letter in text if unicodedata.category(letter) == "Cf" and letter not in JOINERS})
    if hidden:
        listed = " ".join(f"U+{ord(letter):04X}" for letter in hidden)
        message = f"has invisible characters ({listed}); remove them from the text"
        yield Offence("letters", utterance.id, message, "nothing", line)
    if not unicodedata.is_normalized("NFC", text):
        message = "has letters with combining marks where there is one character for both; normalise the text to NFC"
        yield Offence("letters", utterance.id, message, "nothing", line)


def _check_audio(utterance: Utterance, line: int) -> Iterator[Offence]:
    """Offences of the recording and the span in it; the samples are read only where the span is sound."""
    identifier, end = utterance.id, utterance.start + utterance.duration
    try:
        info = _info(utterance.audio)
        if not info.frames:
            message = f"{utterance.audio} holds no samples; record it again or drop it"
            yield Offence("empty audio", identifier, message, "drop", line)
        elif utterance.duration <= 0 or utterance.start < 0 or utterance.start >= info.duration:
            where = f"span {utterance.start:.2f} to {end:.2f} s is not inside the {info.duration:.2f} s"
            message = f"{where} of {utterance.audio}; correct the times or drop it"
            yield Offence("span", identifier, message, "drop", line)
        else:
            if end > info.duration + SPAN_TOLERANCE:
                message = f"ends at {end:.2f} s but {utterance.audio} at {info.duration:.2f} s; correct or trim it"
                yield Offence("span", identifier, message, "trim", line)
            clipped: list[float] = []
            if _peak(utterance, info, clipped) < SILENCE_PEAK:
                message = f"is silent in {utterance.audio}; check the recording, its channel and the times"
                yield Offence("silence", identifier, message, "drop", line)
            for share in clipped:
                message = f"{100 * share:.2f} % of the samples in {utterance.audio} are clipped; record it less loud"
                yield Offence("clipping", identifier, message, "nothing", line)
    except AudioError as error:
        yield Offence("unreadable audio", identifier, str(error), "drop", line)


def _peak(utterance: Utterance, info: AudioInfo, clipped: list[float]) -> float:
    """Largest absolute sample of the utterance, without the warnings that reading past the end would give.

    Where it is clipped, the share of samples at full scale is added to `clipped`.
    """
    samples = read_audio(
        utterance.audio,
        sample_rate=info.sample_rate,
        start=utterance.start,
        duration=min(utterance.duration, info.duration - utterance.start),
        channel=utterance.channel,
        strict=True,  # a cut recording has probably lost words of its text
        on_clipping=lambda _, share: clipped.append(share),
    )
    return float(np.abs(samples).max(initial=0.0))


def compare(
    utterances: Iterable[Utterance], others: Iterable[Utterance], against: str, *, same_speakers: bool = False
) -> Iterator[Offence]:
    """Offences of two sets together: shared ids, speakers and texts.

    Args:
        utterances: the set to be corrected; gone through once, and what is not in the other set is not kept.
        others: the other set.
        against: what to call the other set.
        same_speakers: as for `validate`.
    """
    their_ids: list[str] = []
    their_speakers: set[str] = set()
    their_texts: set[str] = set()
    for other in others:
        their_ids.append(other.id)
        their_speakers.add(other.speaker)
        their_texts.add(other.text)
    lines = dict.fromkeys(their_ids, -1)
    by_speaker: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    total = 0
    for line, utterance in enumerate(utterances):
        total += 1
        if utterance.id in lines:
            lines[utterance.id] = line
        if utterance.speaker and utterance.speaker in their_speakers:
            by_speaker[utterance.speaker] += 1
        if utterance.text and utterance.text in their_texts:
            texts[utterance.text] += 1
    for name in their_ids:
        if lines[name] >= 0:
            yield Offence("shared id", name, f"is in {against} too; keep it in one of them", "drop", lines[name])
    for speaker in sorted(by_speaker):
        message = f"this speaker's {by_speaker[speaker]} utterances are here, and others in {against}; keep all in one"
        yield Offence("shared speaker", speaker, message, "nothing" if same_speakers else "drop")
    if texts:
        message = (
            f"{len(texts)} texts, of {texts.total()} of {total} utterances, are in {against} too; "
            "fine for digits and spelling, a leak for read sentences"
        )
        yield Offence("shared text", "texts", message, "nothing")


def _trim(utterance: Utterance) -> Utterance:
    return replace(utterance, duration=_info(utterance.audio).duration - utterance.start)


@lru_cache(maxsize=1024)
def _info(audio: str) -> AudioInfo:
    """Header of a recording; neighbours in a manifest often share one."""
    return audio_info(audio)
