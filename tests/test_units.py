"""Units: text to ids and back, for characters, words and BPE."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config.sections import UnitsConfig
from asr.errors import UnitsError
from asr.units import BLANK, CONTINUES, SPACE, STARTS, Units, build_units

TEXTS = ["THE CAT SAT", "THE DOG RAN", "A CAT AND A DOG", "IT'S THE CAT", "DOGS RAN AND CATS SAT"] * 4


def build(kind, size=40):
    return build_units(TEXTS, UnitsConfig(kind=kind, size=size))


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_training_texts_come_back(kind):
    units = build(kind)
    for text in TEXTS:
        ids = units.encode(text)
        assert BLANK not in ids
        assert max(ids) < len(units)
        assert units.decode(ids) == text


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_one_file_holds_everything(tmp_path, kind):
    units = build(kind)
    units.save(tmp_path / "units.txt")
    loaded = Units.load(tmp_path / "units.txt")
    assert loaded.kind == kind
    assert loaded.symbols == units.symbols
    assert loaded.encode("THE CAT RAN") == units.encode("THE CAT RAN")
    assert (tmp_path / "units.txt").read_text().splitlines()[1] == "<blank>"


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="AB 'É字", max_size=20))
def test_characters_round_trip_any_text_they_know(text):
    units = build_units(["A B ' É 字"], UnitsConfig())
    assert units.decode(units.encode(text)) == " ".join(text.split())


def test_characters_outside_the_units_are_named():
    with pytest.raises(UnitsError, match=r"characters outside the units: 'F' .* 'a' \(U\+0061\) 'é' \(U\+00E9\)"):
        build("characters").encode("THE CaFé")
    assert build("characters").missing("THE CaT") == ["a"]


def test_unknown_words_have_a_unit_of_their_own():
    units = build("words")
    assert units.decode(units.encode("THE ZEBRA SAT")) == "THE <unk> SAT"
    assert units.missing("THE ZEBRA SAT") == ["ZEBRA"]


def test_where_words_begin():
    characters, bpe, words = build("characters"), build("bpe"), build("words")
    assert characters.symbols[characters.space] == " "
    assert words.space is None
    assert bpe.space is None
    starts = [bpe.starts_word(index) for index in bpe.encode("THE CAT")]
    assert starts[0]
    assert sum(starts) == 2
    assert words.starts_word(3)
    assert not characters.starts_word(3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as units"),
        ("hello\n", "header"),
        ("#units runes\n<blank>\n", "header"),
        ("#units characters\nA\n", "first symbol is not <blank>"),
        ("#units characters\n<blank>\nA\nA\n", r"doubled symbols \['A'\]"),
        ("#units bpe\n<blank>\nA\n", "lack their SentencePiece model"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    (tmp_path / "units.txt").write_text(content)
    with pytest.raises(UnitsError, match=message):
        Units.load(tmp_path / "units.txt")


def test_no_text_and_too_many_pieces_are_errors():
    with pytest.raises(UnitsError, match="is empty"):
        build_units(["", "  "], UnitsConfig())
    with pytest.raises(UnitsError, match="cannot train 5000 pieces"):
        build("bpe", size=5000)


def test_marks_say_what_a_unit_does_to_the_word_before_it():
    characters = Units("characters", ["<blank>", " ", "a"])
    pieces = Units("bpe", ["<blank>", "<unk>", "▁a", "b"], b"not needed")
    words = Units("words", ["<blank>", "<unk>", "one"])
    assert characters.word_marks == [CONTINUES, SPACE, CONTINUES]
    assert pieces.word_marks == [CONTINUES, CONTINUES, STARTS, CONTINUES]
    assert words.word_marks[1:] == [STARTS, STARTS]
    assert [units.join(units.symbols[2:]) for units in (characters, pieces, words)] == ["a", "ab", "one"]


SAID = {"cat": [("k", "æ", "t")], "at": [("æ", "t"), ("ə", "t")]}


@pytest.fixture
def lexicon(tmp_path):
    (tmp_path / "lexicon.txt").write_text("# of the toy\ncat k æ t\nat æ t\nat ə t\n")
    return tmp_path / "lexicon.txt"


def test_phones_are_those_of_the_training_words_in_all_their_pronunciations(lexicon):
    config = UnitsConfig(kind="phones", language="en-us")
    assert build_units(["at cat", "at"], config, lexicon).symbols == ["<blank>", "k", "t", "æ", "ə"]
    assert build_units(["at"], config, lexicon).symbols == ["<blank>", "t", "æ", "ə"]
    with pytest.raises(UnitsError, match=r"lacks 1 words of the training text: dog; build the lexicon"):
        build_units(["dog at"], config, lexicon)
    with pytest.raises(UnitsError, match="phones need to know how words are said"):
        build_units(["at"], config, lexicon.with_name("none.txt"))


def test_phones_spell_the_first_pronunciation_of_each_word():
    units = Units("phones", ["<blank>", "k", "t", "æ", "ə"], lexicon=SAID)
    assert units.encode("at cat") == [3, 2, 1, 3, 2]
    assert units.decode([3, 2, 1]) == "æ t k"
    assert units.missing("at dog") == ["dog"]
    with pytest.raises(UnitsError, match=r"has words without a pronunciation: dog; add them to the lexicon"):
        units.encode("at dog")
    with pytest.raises(UnitsError, match="not among the phones"):
        units.ids_of_phones("k ŋ")


def test_phones_travel_with_their_language_and_lexicon(tmp_path):
    Units("phones", ["<blank>", "k", "t", "æ", "ə"], language="en-us", lexicon=SAID).save(tmp_path / "a" / "units.txt")
    units = Units.load(tmp_path / "a" / "units.txt")
    assert (units.kind, units.language) == ("phones", "en-us")
    assert units.pronunciations == SAID
    units.save(tmp_path / "b" / "units.txt")
    (tmp_path / "a" / "lexicon.txt").unlink()
    assert Units.load(tmp_path / "a" / "units.txt").pronunciations == {}
    assert Units.load(tmp_path / "b" / "units.txt").pronunciations == SAID
