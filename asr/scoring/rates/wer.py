"""Error rates with their counts, keyed by utterance id.

Shapes: N utterances; counts are (N, 4) int64: hits, substitutions, deletions, insertions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from asr.errors import ScoringError, UsageError
from asr.scoring.rates.alignment import COSTS, Alignments, Ints, Unit, align
from asr.scoring.rates.given import Texts, keyed
from asr.scoring.rates.markup import align_with_markup
from asr.scoring.reading.readers import listed
from asr.scoring.text.normalisation import Profile, named_profile


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of some utterances together and the rates that follow from them, as fractions."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference(self) -> int:
        """Number of reference tokens."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis(self) -> int:
        """Number of hypothesis tokens."""
        return self.hits + self.substitutions + self.insertions

    @property
    def rate(self) -> float:
        """Errors by reference tokens; infinite when there are errors but no reference."""
        return divide(self.errors, self.reference)

    @property
    def match_error(self) -> float:
        """Share of alignment columns that are errors (MER; Morris et al., Interspeech 2004)."""
        columns = self.hits + self.errors
        return self.errors / columns if columns else 0.0

    @property
    def information_lost(self) -> float:
        """1 - hits^2 / (reference x hypothesis) (WIL; Morris et al., Interspeech 2004)."""
        if not self.reference and not self.hypothesis:
            return 0.0
        product = self.reference * self.hypothesis
        return 1.0 - self.hits**2 / product if product else 1.0


def divide(errors: float, reference: float) -> float:
    """Errors by reference length, 0 for 0/0 and infinite for n/0."""
    if reference:
        return errors / reference
    return math.inf if errors else 0.0


@dataclass(frozen=True)
class Score:
    """The comparison of N hypotheses with their references.

    Attributes:
        ids: N utterance ids in the order of the references.
        refs: N normalised references.
        hyps: N normalised hypotheses; "" for a missing one.
        alignments: the N alignments.
        counts: (N, 4) hits, substitutions, deletions, insertions.
        missing: ids without a hypothesis; their words are deletions.
        unit: "word", "char" or "auto".
        costs: name of the alignment costs, a key of `alignment.COSTS`.
        profile: the text normalisation that both sides went through.
        fields: property (speaker, recording, ...) -> N values, "" where unknown.
        name: what the system is called in reports.
    """

    ids: list[str]
    refs: list[str]
    hyps: list[str]
    alignments: Alignments
    counts: Ints
    missing: list[str]
    unit: Unit
    costs: str
    profile: Profile
    fields: dict[str, list[str]] = field(default_factory=dict)
    name: str = "hypothesis"

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def totals(self) -> Totals:
        """All utterances together (the corpus, or micro, average)."""
        return Totals(*map(int, self.counts.sum(axis=0)))

    @property
    def rate(self) -> float:
        """Word error rate, or character error rate when `unit` is "char", as a fraction."""
        return self.totals.rate

    @cached_property
    def wer(self) -> float:
        """Word error rate as a fraction."""
        return self.totals.rate if self.unit == "word" else self._other("word")

    @cached_property
    def cer(self) -> float:
        """Character error rate as a fraction; blanks between words count as characters."""
        return self.totals.rate if self.unit == "char" else self._other("char")

    def _other(self, unit: Unit) -> float:
        counts = align(self.refs, self.hyps, unit, "unit").counts()
        return Totals(*map(int, counts.sum(axis=0))).rate

    @property
    def errors(self) -> Ints:
        """(N,) errors of each utterance."""
        return self.counts[:, 1:].sum(axis=1)

    @property
    def lengths(self) -> Ints:
        """(N,) reference tokens of each utterance."""
        return self.counts[:, :3].sum(axis=1)

    @property
    def sentence_errors(self) -> int:
        """Number of utterances with at least one error."""
        return int(np.count_nonzero(self.errors))

    @property
    def sentence_error_rate(self) -> float:
        """Share of utterances with at least one error."""
        return self.sentence_errors / len(self) if len(self) else 0.0

    @property
    def macro(self) -> float:
        """Mean over the utterances that have reference tokens of their own error rate."""
        scored = self.lengths > 0
        return float(np.mean(self.errors[scored] / self.lengths[scored])) if scored.any() else 0.0

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of N values, one row an utterance; `pandas.DataFrame(score.table())` takes it as it is."""
        columns: dict[str, npt.NDArray[Any]] = {"id": np.array(self.ids, dtype=object)}
        for column, name in enumerate(("hits", "substitutions", "deletions", "insertions")):
            columns[name] = self.counts[:, column]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(self.errors == 0, 0.0, self.errors / self.lengths)
        columns |= {"errors": self.errors, "length": self.lengths, "rate": rate}
        columns |= {"ref": np.array(self.refs, dtype=object), "hyp": np.array(self.hyps, dtype=object)}
        return columns | {name: np.array(values, dtype=object) for name, values in self.fields.items()}


def score(
    refs: Texts,
    hyps: Texts,
    *,
    unit: Unit = "word",
    costs: str = "unit",
    profile: str | Profile = "none",
    fields: Mapping[str, Mapping[str, str]] | None = None,
    name: str = "hypothesis",
    markup: bool = False,
) -> Score:
    """Compare hypotheses with references.

    Args:
        refs: id -> text, or texts in order (a list, an array, a pandas Series, or one string); a text may be a string,
            bytes or a list of words.
        hyps: the same for the hypotheses. A missing one (left out, None, NaN) counts as deletions.
        unit: "word", "char", or "auto" for characters of Chinese, Japanese, Thai and words of other scripts.
        costs: alignment costs, "unit" (0/1/1/1, as jiwer and Kaldi) or "sclite" (0/3/3/4).
        profile: text normalisation for both sides: a name, a YAML file, or a `Profile`.
        fields: property -> id -> value, for breakdowns.
        name: what the system is called in reports.
        markup: read `{ a / b }` in references as alternatives and `(word)` as optional, as sclite does with STM.

    Raises:
        ScoringError: hypotheses for unknown ids, lists of different length, a missing reference, or no text.
        UsageError: unknown unit, costs or profile.
    """
    if unit not in get_args(Unit):
        raise UsageError(f"unit {unit}", "is not known", f"use {', '.join(get_args(Unit))}")
    if costs not in COSTS:
        raise UsageError(f"costs {costs}", "are not known", f"use {' or '.join(COSTS)}")
    ref_texts, hyp_texts = keyed(refs, hyps)
    unknown = [key for key in hyp_texts if key not in ref_texts]
    if unknown:
        reason = f"{len(unknown)} ids that the references do not have: {listed(unknown)}"
        raise ScoringError(
            name, reason, _nearly_alike(unknown, ref_texts) or "score against the references of the same set"
        )
    rules = profile if isinstance(profile, Profile) else named_profile(profile)
    ids = list(ref_texts)
    hyp_list = rules.apply_all(hyp_texts.get(key, "") for key in ids)
    if markup:
        raw = list(ref_texts.values())
        ref_list, alignments = align_with_markup(ids, raw, hyp_list, rules.apply, unit, costs)
    else:
        ref_list = rules.apply_all(ref_texts.values())
        alignments = align(ref_list, hyp_list, unit, costs)
    columns = {column: [str(values.get(key, "")) for key in ids] for column, values in (fields or {}).items()}
    missing = [key for key in ids if key not in hyp_texts] if len(hyp_texts) < len(ids) else []
    return Score(ids, ref_list, hyp_list, alignments, alignments.counts(), missing, unit, costs, rules, columns, name)


def _nearly_alike(unknown: list[str], known: Mapping[str, str]) -> str:
    """What to change where the ids would agree without folder, suffix or case; "" where they would not."""
    ways = {
        "folders and suffixes": lambda key: re.split(r"[\\/]", key)[-1].rsplit(".", 1)[0],
        "upper and lower case": str.casefold,
    }
    for what, rule in ways.items():
        alike = {rule(key) for key in known}
        if len(alike) == len(known) and all(rule(key) in alike for key in unknown):
            return f"they differ from those only by {what}: write the ids of both sides alike"
    return ""
