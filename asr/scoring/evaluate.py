"""From files to a whole evaluation: scores with intervals, breakdowns, comparisons. What `asr score` calls."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from asr.corpus.manifest import read_manifest
from asr.corpus.utterance import Utterance
from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError, UsageError
from asr.scoring.rates.alignment import DELETION, INSERTION, SUBSTITUTION, Unit
from asr.scoring.rates.wer import Score, Totals, score
from asr.scoring.reading.readers import listed, read_text, read_transcripts
from asr.scoring.reading.results import earlier_hypotheses, result_document
from asr.scoring.reading.stm import pair_by_time
from asr.scoring.reading.transcripts import Transcripts
from asr.scoring.statistics.bootstrap import RESAMPLES, Interval, corpus_interval, macro_interval, sum_by_group
from asr.scoring.statistics.breakdown import (
    Confusion,
    Group,
    Unknown,
    by_field,
    by_length,
    confusions,
    oracle,
    unknown_words,
)
from asr.scoring.statistics.calibration import Calibration, calibration
from asr.scoring.statistics.compounds import Boundaries, boundaries
from asr.scoring.statistics.hints import Hint, hints
from asr.scoring.statistics.keywords import Keywords, keywords, read_keywords
from asr.scoring.statistics.significance import Comparison, compare
from asr.scoring.text.normalisation import Profile, named_profile

log = logging.getLogger("asr")
SPEAKER_PREFIX = re.compile(r"^[^-_]+")
"""The speaker in an utterance id: what stands before the first - or _, as in sclite's `spu_id`."""
NO_BREAKDOWN = {"id", "text", "pred_text", "duration", "start", "end", "offset", "score"}
AUDIO_FIELDS = ("recording", "audio", "audio_filepath")


@dataclass(frozen=True)
class Options:
    """How to score.

    Attributes:
        unit: "word", "char" or "auto".
        costs: "unit" or "sclite".
        profile: name or YAML file of the text normalisation.
        ref_format, hyp_format: one of `readers.Format`; None tells by suffix and content.
        markup: read alternatives and optional words in references; None does with STM references only.
        by: fields to break down by; None takes speaker and recording where they are known.
        manifest: adds fields, speakers and audio to the references.
        speaker_from_id: take the speaker from the front of the id where nothing else tells it.
        vocabulary: file whose lines begin with the words that the recogniser knows.
        keywords: file with a keyword or phrase a line, for their precision and recall.
        resamples, seed: of the bootstrap.
    """

    unit: Unit = "word"
    costs: str = "unit"
    profile: str = "none"
    ref_format: str | None = None
    hyp_format: str | None = None
    markup: bool | None = None
    by: Sequence[str] | None = None
    manifest: Path | None = None
    speaker_from_id: bool = False
    vocabulary: Path | None = None
    keywords: Path | None = None
    resamples: int = RESAMPLES
    seed: int = 0


@dataclass(frozen=True)
class System:
    """One hypothesis file with everything that is known about it."""

    score: Score
    by_utterance: Interval
    by_speaker: Interval | None
    macro_utterance: Interval
    macro_speaker: tuple[float, Interval] | None
    breakdowns: dict[str, list[Group]]
    lengths: list[Group]
    substitutions: list[Confusion]
    deletions: list[Confusion]
    insertions: list[Confusion]
    unknown: Unknown | None
    oracle: dict[int, Totals]
    calibration: Calibration | None
    boundaries: Boundaries | None = None
    hints: list[Hint] = field(default_factory=list)
    words: Mapping[str, Sequence[Word]] = field(default_factory=dict)
    keywords: Keywords | None = None


@dataclass(frozen=True)
class Evaluation:
    """All systems, and the tests of each pair of them."""

    ref: str
    options: Options
    systems: list[System]
    comparisons: list[Comparison]
    utterances: dict[str, Utterance] = field(default_factory=dict)


def evaluate(ref: str | Path, hyps: Sequence[str | Path], options: Options | None = None) -> Evaluation:
    """Score one or more hypothesis files against a reference file.

    Raises:
        ScoringError: files that cannot be read or do not fit each other.
        UsageError, ConfigError: options or a profile that cannot be used.
    """
    options = options or Options()
    if options.keywords and options.unit != "word":
        raise UsageError("--keywords", f"are words, and the unit is {options.unit}", "leave out --cer and --unit")
    if [str(path) for path in (ref, *hyps)].count("-") > 1:
        raise UsageError("-", "is given more than once", "standard input can be read for one file only")
    refs = read_transcripts(ref, "ref", options.ref_format)
    if not refs.texts:
        raise ScoringError(refs.source, "holds no utterances", "give references with at least one utterance")
    utterances = _read_manifest(options.manifest, refs) if options.manifest else {}
    _complete_fields(refs, options)
    systems = [_evaluate_one(refs, path, name, options) for path, name in zip(hyps, _names(hyps), strict=True)]
    speakers = _speakers(systems[0].score) if systems else None
    comparisons = [
        compare(a.score, b.score, speakers, resamples=options.resamples, seed=options.seed)
        for a, b in combinations(systems, 2)
    ]
    return Evaluation(refs.source, options, systems, comparisons, utterances)


def _names(paths: Sequence[str | Path]) -> list[str]:
    """What to call each system: its file name, or its path where file names are equal."""
    if len({str(path) for path in paths}) != len(paths):
        raise UsageError("--hyp", "names the same file twice", "give each system once")
    names = ["standard input" if str(path) == "-" else Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _evaluate_one(refs: Transcripts, path: str | Path, name: str, options: Options) -> System:
    """Read, score and analyse one system."""
    markup = bool(refs.segments) if options.markup is None else options.markup
    hyps = _hypotheses(refs, path, options, markup)
    if hyps.texts and _same_file(refs.source, path) and hyps.texts == refs.texts:
        log.warning("%s: the hypotheses are the references' own texts; no field of the file holds a hypothesis", path)
    result = score(
        refs.texts,
        hyps.texts,
        unit=options.unit,
        costs=options.costs,
        profile=named_profile(options.profile),
        fields={name: refs.column(name) for name in _fields(refs, options)},
        name=name,
        markup=markup,
    )
    if result.missing:
        log.warning(
            "%s: %d of %d utterances have no hypothesis and count as deletions: %s",
            name, len(result.missing), len(result), listed(result.missing),
        )  # fmt: skip
    system = analyse(result, hyps, options)
    for hint in system.hints:
        log.warning("%s: %s", name, hint.text)
    return system


def _hypotheses(refs: Transcripts, path: str | Path, options: Options, markup: bool) -> Transcripts:
    """One hypothesis file, or an earlier result; a CTM against an STM is dealt out by time."""
    if Path(path).suffix == ".json" and options.hyp_format is None:
        document = result_document(read_text(path))
        if document is not None:
            rules = named_profile(options.profile)
            return earlier_hypotheses(str(path), document, refs, rules, options.unit, options.costs, markup)
    hyps = read_transcripts(path, "hyp", options.hyp_format)
    return pair_by_time(refs, hyps) if refs.segments and hyps.tracks else hyps


def _same_file(source: str, path: str | Path) -> bool:
    return str(path) != "-" and Path(source).exists() and Path(source).samefile(path)


def analyse(result: Score, hyps: Transcripts, options: Options) -> System:
    """Everything that follows from a score."""
    draw = (options.resamples, options.seed)
    speakers, errors, lengths = _speakers(result), result.errors, result.lengths
    known = _vocabulary(options.vocabulary, result.profile) if options.vocabulary else None
    words = options.unit == "word"
    return System(
        result,
        corpus_interval(errors, lengths, None, *draw),
        corpus_interval(errors, lengths, speakers, *draw) if speakers else None,
        macro_interval(errors, lengths, None, *draw),
        _macro_over_speakers(result, speakers, draw) if speakers else None,
        {name: by_field(result, name, *draw) for name in result.fields},
        by_length(result, *draw),
        confusions(result, SUBSTITUTION),
        confusions(result, DELETION),
        confusions(result, INSERTION),
        unknown_words(result, known) if known is not None and words else None,
        oracle(result, hyps.nbest) if hyps.nbest else {},
        _calibration(result, hyps) if hyps.words and words else None,
        boundaries(result) if words else None,
        hints(result),
        hyps.words,
        keywords(result, read_keywords(options.keywords, result.profile), *draw)
        if options.keywords and words
        else None,
    )


def _calibration(result: Score, hyps: Transcripts) -> Calibration | None:
    """Calibration where the confidences are probabilities; error rates do not depend on it."""
    try:
        return calibration(result, hyps.words)
    except ScoringError as error:
        log.warning("no calibration: %s", error)
        return None


def _vocabulary(path: Path, profile: Profile) -> set[str]:
    """The first word of each line, normalised as the texts are."""
    entries = [line.split()[0] for line in read_text(path).split("\n") if line.strip()]
    return {word for entry in entries for word in profile.apply(entry).split()}


def _macro_over_speakers(result: Score, speakers: Sequence[str], draw: tuple[int, int]) -> tuple[float, Interval]:
    """Mean of the speakers' own error rates, and its interval over speakers."""
    _, counts = sum_by_group(result.counts, speakers)
    rates = [totals.rate for totals in (Totals(*map(int, row)) for row in counts) if totals.reference]
    mean = sum(rates) / len(rates) if rates else 0.0
    return mean, macro_interval(result.errors, result.lengths, speakers, *draw)


def _speakers(result: Score) -> list[str] | None:
    """N speakers when there are at least two and all are known."""
    speakers = result.fields.get("speaker", [])
    return speakers if len(set(speakers)) > 1 and all(speakers) else None


def _fields(refs: Transcripts, options: Options) -> list[str]:
    """Which fields to break down by.

    Raises:
        UsageError: a field that was asked for is not known.
    """
    if options.by is None:
        usual = [name for name in ("speaker", "recording", "label") if name in refs.fields]
        return [name for name in usual if len(set(refs.column(name).values())) > 1]
    for name in options.by:
        if name not in refs.fields:
            known = ", ".join(sorted(set(refs.fields) - NO_BREAKDOWN)) or "none"
            raise UsageError(f"--by {name}", "is not a field of the references", f"fields are: {known}")
    return list(dict.fromkeys([*(["speaker"] if "speaker" in refs.fields else []), *options.by]))


def _read_manifest(path: Path, refs: Transcripts) -> dict[str, Utterance]:
    """Add speaker, audio and further fields of a manifest to the references."""
    utterances = {utterance.id: utterance for utterance in read_manifest(path) if utterance.id in refs.texts}
    if not utterances:
        raise ScoringError(path, "holds none of the utterances", "give the manifest of the same set")
    for key, utterance in utterances.items():
        known = {"speaker": utterance.speaker, "recording": utterance.audio, **utterance.extra}
        for name, value in known.items():
            if value != "":
                refs.fields.setdefault(name, {})[key] = value
    return utterances


def _complete_fields(refs: Transcripts, options: Options) -> None:
    """Add speakers from a Kaldi `utt2spk` or the id, and the recording where several utterances share one."""
    beside = Path(refs.source).with_name("utt2spk")
    if Path(refs.source).name == "text" and beside.is_file() and "speaker" not in refs.fields:
        pairs = [line.split() for line in read_text(beside).split("\n") if len(line.split()) == 2]
        refs.fields["speaker"] = {key: speaker for key, speaker in pairs if key in refs.texts}
    if options.speaker_from_id and "speaker" not in refs.fields:
        prefixes = {key: SPEAKER_PREFIX.match(key) for key in refs.texts}
        refs.fields["speaker"] = {key: match.group() if match else key for key, match in prefixes.items()}
    audio = next((refs.fields[name] for name in AUDIO_FIELDS if name in refs.fields), {})
    refs.fields.pop("recording", None)
    if 1 < len(set(audio.values())) < len(audio):
        refs.fields["recording"] = audio
