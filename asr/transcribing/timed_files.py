"""CTM and STM of recognised and of reference utterances, with times in the recordings, as NIST's scorers read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asr.corpus.utterance import Utterance
from asr.decoding.results.hypothesis import Word

UNKNOWN_SPEAKER = "unknown"


def recording_names(utterances: Iterable[Utterance]) -> dict[str, str]:
    """Path of a recording -> its name in CTM and STM: without folder, suffix and white space where that is unique.

    Where two recordings have the same name, as many of their folders are put before it as tell them apart.
    """
    paths = list(dict.fromkeys(utterance.audio for utterance in utterances))
    names = {path: "-".join(Path(path).stem.split()) for path in paths}
    depth = 1
    while len(set(names.values())) < len(names):
        counts: dict[str, int] = {}
        for name in names.values():
            counts[name] = counts.get(name, 0) + 1
        if depth > max(len(Path(path).parts) for path in paths):  # alike but for suffix or white space
            return {path: "%20".join(path.split(" ")) for path in paths}
        depth += 1
        names = {
            path: "-".join("/".join(Path(path).with_suffix("").parts[-depth:]).split()) if counts[name] > 1 else name
            for path, name in names.items()
        }
    return names


def ctm_lines(utterance: Utterance, words: Sequence[Word], recording: str = "") -> Iterator[str]:
    """`recording channel start duration word confidence`, times in the recording, channels counted from 1."""
    recording, channel = recording or "-".join(Path(utterance.audio).stem.split()), (utterance.channel or 0) + 1
    for word in words:
        start, duration = utterance.start + word.start, word.end - word.start
        yield f"{recording} {channel} {start:.3f} {duration:.3f} {word.text} {word.confidence:.4f}\n"


def stm_line(utterance: Utterance, recording: str) -> str:
    """`recording channel speaker start end text`; a text that begins like a label has an empty one before it."""
    speaker = "_".join(utterance.speaker.split()) or UNKNOWN_SPEAKER
    label = "<o> " if utterance.text.startswith("<") else ""
    channel, end = (utterance.channel or 0) + 1, utterance.start + utterance.duration
    return f"{recording} {channel} {speaker} {utterance.start:.3f} {end:.3f} {label}{utterance.text}\n"
