"""The lines that people and scripts read."""

import re

import asr
from asr.scoring.evaluate import Evaluation
from asr.scoring.rates.wer import Totals
from asr.scoring.report.text import (
    alignment_lines,
    costs_line,
    display_width,
    dtl,
    groups_table,
    markdown_row,
    pra,
    report,
    summary,
    wer_line,
)


def test_the_line_every_script_greps_for() -> None:
    assert wer_line(Totals(239, 0, 1, 0)) == "%WER 0.42 [ 1 / 240, 0 ins, 1 del, 0 sub ]"
    assert wer_line(Totals(1, 2, 3, 4), "CER") == "%CER 150.00 [ 9 / 6, 4 ins, 3 del, 2 sub ]"
    assert wer_line(Totals(0, 0, 0, 2)) == "%WER inf [ 2 / 0, 2 ins, 0 del, 0 sub ]"


def test_costs_are_named_in_the_order_match_insertion_deletion_substitution() -> None:
    assert costs_line("unit") == "0/1/1/1 (unit)"
    assert costs_line("sclite") == "0/3/3/4 (sclite)"


def test_alignment_as_sclite_shows_it() -> None:
    """Block by block what sclite 2.4.10 writes into its .pra."""
    refs = {"s_1": "a b c", "s_2": "", "t_1": "hello world"}
    score = asr.score(refs, {"s_1": "a x c d", "s_2": "e", "t_1": "world"})
    blocks = [alignment_lines(score, n) for n in range(3)]
    assert blocks[0] == ("id: (s_1)\nScores: (#C #S #D #I) 2 1 0 1\nREF:  a B c *\nHYP:  a X c D\nEval:   S   I\n")
    assert blocks[1] == "id: (s_2)\nScores: (#C #S #D #I) 0 0 0 1\nREF:  *\nHYP:  E\nEval: I\n"
    assert "REF:  HELLO world\nHYP:  ***** world\nEval: D" in blocks[2]


def test_columns_of_wide_characters_line_up() -> None:
    score = asr.score(["日本 a e\u0301x"], ["b a ex"])
    ref, hyp = re.findall(r"(?:REF|HYP):  (.*)", alignment_lines(score, 0))
    assert ref.startswith("日本 a")
    assert hyp.startswith("B    a")
    assert display_width("日本e\u0301") == 5


def test_an_optional_word_that_was_left_out_has_an_empty_place() -> None:
    score = asr.score(["(uh) yes"], ["yes"], markup=True)
    assert "REF:  uh yes\nHYP:     yes" in alignment_lines(score, 0)


def test_summary_says_how_it_was_scored_and_how_sure_it_is(evaluation: Evaluation) -> None:
    text = summary(evaluation)
    assert "%WER 27.27 [ 3 / 11, 1 ins, 1 del, 1 sub ]" in text
    assert "%SER 60.00 [ 3 / 5 ]" in text
    assert "Scored 5 utterances, 0 not present in the hypotheses." in text
    assert re.search(
        r"95 % interval of the corpus average: [\d.]+ - [\d.]+ \(only 5 utterances: too few to be sure\) by utterance, "
        r"[\d.]+ - [\d.]+ \(only 3 speakers: too few to be sure\) by speaker",
        text,
    )
    assert "Normalisation: none 1 (816f318a49be). Alignment costs: 0/1/1/1 (unit)." in text
    assert "Oracle: best of 1 45.45, best of 2 0.00" in text
    assert "A = a.trn, B = b.jsonl:" in text
    assert re.search(r"MAPSSWE: \d+ segments, z = -?[\d.]+, p = [\d.]+", text)
    assert "differ most in: bob-2 (-3), " in text


def test_one_system_begins_with_its_line(evaluation: Evaluation) -> None:
    alone = Evaluation(evaluation.ref, evaluation.options, evaluation.systems[:1], [])
    assert summary(alone).startswith("%WER 27.27")


def test_report_prints_what_was_asked_for(evaluation: Evaluation) -> None:
    whole = "\n".join(report(evaluation, align=True, markdown=False, breakdowns=True))
    assert whole.count("id: (ann-1)") == 2
    assert "condition" in whole
    rows = list(report(evaluation, align=False, markdown=True, breakdowns=False))
    assert [row.count("|") for row in rows] == [6, 6]


def test_markdown_row_holds_rate_interval_and_counts(evaluation: Evaluation) -> None:
    row = markdown_row(evaluation.systems[0])
    assert re.fullmatch(
        r"\| a\.trn \| WER 27\.27 \| [\d.]+ - [\d.]+ \| 3 / 11 \(1 sub, 1 del, 1 ins\) \| none 1 \(\w+\) \|", row
    )


def test_groups_are_sorted_by_errors_and_lined_up(evaluation: Evaluation) -> None:
    lines = groups_table("speaker", evaluation.systems[0].breakdowns["speaker"]).splitlines()
    assert [line.split()[0] for line in lines] == ["speaker", "ann", "bob", "cid"]
    assert len({len(line) for line in lines}) == 1


def test_error_lists_hold_every_error() -> None:
    score = asr.score(["a b c d"], ["a x d e"], costs="sclite")
    text = dtl(score)
    assert "Percent Total Error   =   75.0%   (     3)" in text
    assert "CONFUSION PAIRS (1, 1 different)\n   1:    1  ->  c ==> x" in text
    assert "INSERTIONS (1, 1 different)\n   1:    1  ->  e" in text


def test_pra_has_a_block_for_each_utterance(evaluation: Evaluation) -> None:
    text = "\n".join(pra(evaluation.systems[0].score))
    assert text.count("Scores: (#C #S #D #I)") == 5
    assert "System name:   a.trn" in text
