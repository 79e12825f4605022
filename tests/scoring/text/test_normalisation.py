"""Named profiles, and profiles of one's own."""

from pathlib import Path

import pytest

from asr.errors import ConfigError, UsageError
from asr.scoring.text.normalisation import Profile, named_profile, profile_names


def test_the_package_brings_three_profiles() -> None:
    assert profile_names() == ["basic", "english", "none"]
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
        ("Straße ÄÖ", "straße äö"),
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
    ],
)
def test_english_makes_equal_what_transcribers_write_differently(one: str, other: str) -> None:
    english = named_profile("english")
    assert english.apply(one) == english.apply(other) != ""


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
    with pytest.raises(UsageError, match="basic, english, none"):
        named_profile("german")
