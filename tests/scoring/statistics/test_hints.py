"""What is systematically wrong is said, with how much of the rate it is; what is not is left alone."""

import unicodedata

import pytest

import asr
from asr.scoring.statistics.hints import hints

REFS = ["the cat sat on the mat", "a big dog ran", "go home now"]


@pytest.mark.parametrize(
    ("kind", "refs", "hyps"),
    [
        ("case", REFS, [ref.upper() for ref in REFS]),
        ("case", REFS, [ref.title() for ref in REFS]),
        ("case", ["THE CAT"], ["the cat"]),
        ("unicode", ["café à côté"], [unicodedata.normalize("NFD", "café à côté")]),
        ("unicode", ["ABC def"], ["ＡＢＣ def"]),
        ("unicode", ["ﬁne day"], ["fine day"]),
        ("invisible", ["hello world"], ["hel\u00adlo world\u200b"]),
        ("invisible", ["\ufeffhello world"], ["hello world"]),
        ("invisible", ["مرحبا"], ["\u200fمرحبا"]),
        ("punctuation", REFS, [ref + "." for ref in REFS]),
        ("punctuation", ["well, yes", "no!"], ["well yes", "no"]),
        ("punctuation", ["dont't go"], ["dont’t go"]),
        ("accents", ["año nuevo"], ["ano nuevo"]),
        ("boundaries", ["base ball", "ice cream", "a b"], ["baseball", "icecream", "a b"]),
        ("boundaries", ["donaudampfschiff"], ["donau dampf schiff"]),
        ("boundaries", ["some thing here"], ["something here"]),
        ("digits", ["five", "twenty", "three cats"], ["5", "20", "3 cats"]),
        ("digits", ["5", "6 7"], ["five", "six seven"]),
        ("digits", ["nineteen ninety"], ["1990"]),
        ("unit", ["今天天气很好"], ["今天 天气 好"]),
        ("unit", ["東京タワーに行きます"], ["東京タワーへ行きます"]),
        ("unit", ["สวัสดีครับทุกคน"], ["สวัสดีค่ะทุกคน"]),
    ],
)
def test_kinds(kind: str, refs: list[str], hyps: list[str]) -> None:
    assert kind in [hint.kind for hint in hints(asr.score(refs, hyps))]


def test_the_share_of_the_rate_is_said() -> None:
    score = asr.score(["A B C D", "e f g h"], ["a b c D", "x f g h"])
    (hint,) = hints(score)
    assert (hint.kind, hint.errors, hint.about) == ("case", 3, False)
    assert hint.text.startswith("3 of 4 errors (37.50 points of the rate) are differences by upper and lower case only")


def test_of_many_utterances_a_sample_tells() -> None:
    refs = [f"Word{n} b" for n in range(5000)]
    (hint,) = [hint for hint in hints(asr.score(refs, [ref.lower() for ref in refs])) if hint.kind == "case"]
    assert hint.errors == 5000
    assert hint.about


@pytest.mark.parametrize(
    ("refs", "hyps"),
    [
        (REFS, REFS),
        (REFS, ["the hat sat on a mat", "a big dog", "go go home now"]),
        ([f"w{n} x y z" for n in range(99)], [f"w{n} x y q" for n in range(98)] + ["W98 x y q"]),
        (["今 天 天 气"], ["今 天 气"]),
        (["Die 5 Katzen"], ["Die 6 Katzen"]),
    ],
)
def test_ordinary_errors_give_no_hint(refs: list[str], hyps: list[str]) -> None:
    assert hints(asr.score(refs, hyps)) == []


def test_characters_are_no_reason_for_a_hint_about_words() -> None:
    assert hints(asr.score(["今天天气很好"], ["今天 天气 好"], unit="auto")) == []
