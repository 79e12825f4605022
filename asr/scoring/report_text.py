"""What a score looks like as text: the %WER line, a summary, and the alignments."""

from __future__ import annotations

from asr.scoring.wer import Score, Totals


def wer_line(totals: Totals, label: str = "WER") -> str:
    """The line Kaldi's compute-wer prints: `%WER 0.42 [ 1 / 240, 0 ins, 1 del, 0 sub ]`."""
    return (
        f"%{label} {100 * totals.rate:.2f} [ {totals.errors} / {totals.reference}, {totals.insertions} ins, "
        f"{totals.deletions} del, {totals.substitutions} sub ]"
    )


def rate_name(score: Score) -> str:
    """ "WER" or "CER"."""
    return "WER" if score.unit == "word" else "CER"
