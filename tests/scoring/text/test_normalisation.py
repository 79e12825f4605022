"""Named profiles, and profiles of one's own."""

import hashlib
from pathlib import Path

import pytest

from asr.errors import ConfigError, UsageError
from asr.scoring.text.normalisation import Profile, named_profile, profile_names


def test_the_package_brings_profiles() -> None:
    assert profile_names() == ["arabic", "basic", "cjk", "english", "french", "german", "none", "spanish"]
    assert all(named_profile(name).name == name for name in profile_names())


@pytest.mark.parametrize("text", ["Don't", "ＡＢＣ", "a,b.", "25 %", "[noise]", "İ"])
def test_none_changes_nothing(text: str) -> None:
    profile = named_profile("none")
    assert profile.changes_nothing
    assert profile.apply_all([text]) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("don’t 'quote' dogs'", "don't quote dogs"),
        ("well-known", "well known"),
        ("ＡＢＣ ﬁne", "abc fine"),
        ("Straße ÄÖ", "strasse äö"),
        ("hel\u00adlo", "hello"),
        ("\u200fمرحبا\ufeff", "مرحبا"),
        ("\u202aabc\u202c", "abc"),
        ("नमस्\u200dते", "नमस्ते"),
        ("hawaiʻi", "hawai'i"),
        ("İstanbul", "istanbul"),
        ("❤\ufe0f", ""),
        ("¿Qué tal? «Bien»", "qué tal bien"),
        ("日本語。音声", "日本語 音声"),
        ("  a \t b ", "a b"),
        ("...", ""),
        ("e\u0301", "é"),
    ],
)
def test_basic(text: str, expected: str) -> None:
    assert named_profile("basic").apply(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I won't", "I will not"),
        ("can't", "cannot"),
        ("They’re here", "they are here"),
        ("we could've", "we could have"),
        ("gonna", "going to"),
        ("Mr. Smith", "mister smith"),
        ("uh the um end", "the end"),
        ("25 colours", "twenty five colors"),
        ("Organised theatres", "organized theaters"),
        ("5 p.m.", "five pm"),
        ("R&B", "R and B"),
        ("yes [laughter] <unk>", "yes"),
        ("OK", "okay"),
        ("twenty-five", "25"),
        ("a hundred and five", "a hundred five"),
        ("naïve café", "naive cafe"),
        ("the rod is 20mm wide", "the rod is twenty mm wide"),
        ("2½ cups", "two and one half cups"),
        ("$2.5 million", "two point five million dollars"),
        ("10 a.m.", "ten a m"),
    ],
)
def test_english_makes_equal_what_transcribers_write_differently(one: str, other: str) -> None:
    english = named_profile("english")
    assert english.apply(one) == english.apply(other) != ""


def test_a_unit_of_measure_is_no_filler() -> None:
    english = named_profile("english")
    assert english.apply("twenty mm wide") != english.apply("twenty wide")
    assert english.apply("mm twenty wide") == english.apply("twenty wide")


@pytest.mark.parametrize(
    ("profile", "one", "other"),
    [
        ("german", "Das ist, z.B., die Straße.", "das ist zum beispiel die strasse"),
        ("german", "Ähm, 1.000 € – geht’s?", "1000 Euro geht es"),
        ("german", "3,5 % der E-Mails", "3 Komma 5 Prozent der E Mails"),
        ("german", "DIE GRÜSSE", "die Grüße"),
        ("french", "L’œuvre d’art", "l' oeuvre d' art"),
        ("french", "Euh, M. Dupont a 1 000 €", "monsieur dupont a 1000 euros"),
        ("french", "Aujourd’hui, qu’est-ce que c’est ?", "aujourd'hui qu est ce que c est"),
        ("spanish", "¿Qué tal, Sr. López?", "qué tal señor lópez"),
        ("spanish", "¡El 5,5 % de EE. UU.!", "el 5 coma 5 por ciento de estados unidos"),
        ("arabic", "أَهْلاً وسهلاً،", "اهلا وسهلا"),
        ("arabic", "إلى المدرسة ١٢٣", "الي المدرسه 123"),
        ("arabic", "جمـــيل", "جميل"),
        ("cjk", "今天 天气，很好。", "今天天气很好"),
        ("cjk", "ＨＥＬＬＯ　世界！", "hello 世界"),
        ("cjk", "東京 タワー", "東京タワー"),
    ],
)
def test_profiles_of_other_languages(profile: str, one: str, other: str) -> None:
    rules = named_profile(profile)
    assert rules.apply(one) == rules.apply(other) != ""
    assert rules.apply(rules.apply(one)) == rules.apply(one)


@pytest.mark.parametrize(
    ("profile", "one", "other"),
    [
        ("french", "a été", "a ete"),
        ("spanish", "año", "ano"),
        ("german", "schon", "schön"),
        ("arabic", "كتاب", "كاتب"),
        ("cjk", "土 word", "士 word"),
        ("basic", "कि", "का"),
    ],
)
def test_profiles_keep_what_is_another_word(profile: str, one: str, other: str) -> None:
    assert named_profile(profile).apply(one) != named_profile(profile).apply(other)


def test_the_digest_tells_rules_apart_and_not_names(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("case: lower\n")
    (tmp_path / "b.yaml").write_text('version: "7"\ncase: lower\n')
    (tmp_path / "c.yaml").write_text("case: lower\nwords: {a: b}\n")
    a, b, c = (named_profile(str(tmp_path / f"{name}.yaml")) for name in "abc")
    assert a.digest == b.digest != c.digest
    assert b.label == f"b 7 ({b.digest})"
    assert len({named_profile(name).digest for name in profile_names()}) == 8


PINNED = {
    "none": "816f318a49be", "basic": "33477261b547", "english": "5da1f169d3bb", "german": "18ffdad8ff6e",
    "french": "2f146029105f", "spanish": "fe7a38b9ced3", "arabic": "9b4f7066ca51", "cjk": "3a20b0d29422",
}  # fmt: skip


def test_what_the_profiles_give_changes_only_with_their_digest() -> None:
    """Fails when a profile or the code of the rules gives another text: raise `version` or `RULES`, then pin anew."""
    sample = "Ｄon’t pay $5.50, 20mm – naïve Straße! uh [x] 2½ l’œuvre ¿Sr. López? ١٢ 今天 好 Äh"
    found = {name: named_profile(name) for name in profile_names()}
    assert {name: profile.digest for name, profile in found.items()} == PINNED
    texts = "".join(found[name].apply(sample) for name in sorted(found))
    assert hashlib.sha256(texts.encode()).hexdigest()[:12] == "c569109d4c6e"


@pytest.mark.parametrize("word", ["their there", "exercise", "advise", "it's", "john's", "four", "hour", "our"])
def test_english_leaves_alone_what_is_different_or_ambiguous(word: str) -> None:
    assert named_profile("english").apply(word) == word


def test_profiles_do_their_work_once() -> None:
    """What is normalised already does not change again, so that the order of tools does not matter."""
    english = named_profile("english")
    for text in ("I won't pay $5.50", "The 1980s, 3rd & 25%", "colour-coded [x] O'Clock"):
        assert english.apply(english.apply(text)) == english.apply(text)


def test_a_profile_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('case: upper\nreplace: {"\\\\bss\\\\b": "sz"}\nwords: {UM: "", HI: HELLO YOU}\n', encoding="utf-8")
    profile = named_profile(str(path))
    assert profile.name == "mine"
    assert profile.apply("um hi ss") == "HELLO YOU SS"
    assert Profile(replace={"a+": "a"}).apply("baaa") == "ba"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("punctuations: remove", "punctuations"),
        ("case: title", "case"),
        ('replace: {"(": x}', "regular expression"),
        ("- a", "not a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_broken_profiles_name_the_key(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason):
        named_profile(str(path))


def test_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="arabic, basic, cjk"):
        named_profile("klingon")
