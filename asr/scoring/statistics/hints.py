"""Is something systematic wrong? How many of the errors would go if both sides were written alike.

Shapes: N utterances.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from asr.scoring.rates.alignment import WITHOUT_BLANKS, align
from asr.scoring.rates.wer import Score
from asr.scoring.statistics.compounds import boundaries
from asr.scoring.text.normalisation import without_accents, without_invisible, without_punctuation

MOST_LOOKED_AT = 2000
"""Wrong utterances looked at, evenly spread; of more, the shares are estimates."""
FEWEST_ERRORS, SMALLEST_SHARE, LARGEST_SHARE = 3, 0.1, 0.5
"""A hint needs a tenth of the errors and three of them, or half of them."""
CASES: Mapping[str, tuple[str, Callable[[str], str], str]] = {
    "case": ("by upper and lower case only", str.casefold, "--profile basic folds case"),
    "unicode": (
        "by the Unicode form of characters only (NFC against NFD, full width, ligatures)",
        lambda text: unicodedata.normalize("NFKC", text),
        "--profile basic makes the forms equal",
    ),
    "invisible": (
        "by characters that cannot be seen (zero-width, soft hyphens, marks of direction, byte order marks)",
        without_invisible,
        "--profile basic drops them",
    ),
    "punctuation": ("by punctuation only", without_punctuation, "--profile basic drops punctuation"),
    "accents": ("by accents only", without_accents, "give accents the same way on both sides"),
}
DIGIT = re.compile(r"\d")
CJK_SHARE = 0.3


class Hint(NamedTuple):
    """Something systematic: its kind, how many errors it makes (estimated where `about`), and what to say."""

    kind: str
    errors: int
    about: bool
    text: str


def hints(score: Score) -> list[Hint]:
    """What is systematically different between references and hypotheses, the gravest first."""
    wrong = np.flatnonzero(score.errors > 0)
    if not len(wrong):
        return []
    looked = wrong[np.linspace(0, len(wrong) - 1, min(len(wrong), MOST_LOOKED_AT)).astype(int)]
    refs, hyps = ([side[n] for n in looked] for side in (score.refs, score.hyps))
    before = int(score.errors[looked].sum())
    about, total = len(looked) < len(wrong), score.totals.errors
    found: list[Hint] = []

    def add(kind: str, gone: int, out_of: int, what: str, remedy: str) -> None:
        if gone >= LARGEST_SHARE * out_of or (gone >= FEWEST_ERRORS and gone >= SMALLEST_SHARE * out_of):
            errors = round(gone * total / out_of)
            rate = (
                f"{100 * errors / score.totals.reference:.2f} points of the rate" if score.totals.reference else "all"
            )
            text = f"{errors} of {total} errors ({rate}) are differences {what}; {remedy}"
            found.append(Hint(kind, errors, about and out_of != total, "about " * (about and out_of != total) + text))

    for kind, (what, rule, remedy) in CASES.items():
        changed = [(rule(ref), rule(hyp)) for ref, hyp in zip(refs, hyps, strict=True)]
        if any(pair != (ref, hyp) for pair, ref, hyp in zip(changed, refs, hyps, strict=True)):
            after = align([ref for ref, _ in changed], [hyp for _, hyp in changed], score.unit, "unit").counts()
            add(kind, before - int(after[:, 1:].sum()), before, what, remedy)
    if score.unit == "word":
        apart = boundaries(score).errors
        add("boundaries", apart, total, "in word boundaries only", "compounds are joined or split")
        digits = _digit_errors(score)
        add("digits", digits, total, "between digits and words", "--profile english reads English digits out")
        if hint := _without_blanks(score):
            found.append(hint)
    return sorted(found, key=lambda hint: -hint.errors)


def _digit_errors(score: Score) -> int:
    """Errors in wrong utterances of which only one side has digits, on that side's words with digits."""
    count = 0
    for n in np.flatnonzero(score.errors > 0).tolist():
        ref, hyp = score.refs[n], score.hyps[n]
        if bool(DIGIT.search(ref)) != bool(DIGIT.search(hyp)):
            side = ref if DIGIT.search(ref) else hyp
            count += min(int(score.errors[n]), sum(1 for word in side.split() if DIGIT.search(word)))
    return count


def _without_blanks(score: Score) -> Hint | None:
    """Chinese, Japanese or Thai scored as words: a whole clause counts as one word."""
    sample = " ".join(score.refs[:MOST_LOOKED_AT])
    letters = len(sample.replace(" ", ""))
    spaceless = sum(len(match) for match in WITHOUT_BLANKS.findall(sample))
    if not letters or spaceless < CJK_SHARE * letters or len(sample.split()) > letters / 1.5:
        return None
    text = (
        "the references are in a script without blanks between words, so that whole clauses count as words; "
        "use --unit auto (characters, and words of other scripts) or --cer"
    )
    return Hint("unit", score.totals.errors, True, text)
