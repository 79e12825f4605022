"""The language-model verbs as functions: the same model in every form, and nothing lost when they fail."""

import pytest
from slow_ngrams import made_up_text

from asr.decoding.knowledge.vocabulary import check_lm
from asr.errors import CorpusError, DecodingError, UsageError
from asr.lm.files import load_lm
from asr.lm.perplexity import total
from asr.lm.training import convert_lm, describe_lm, prune_lm, score_lm, train_lm
from asr.units import BLANK_SYMBOL, Units

SENTENCES = [" ".join(sentence) for sentence in made_up_text(150, 40)]


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in SENTENCES))
    return tmp_path / "text.txt"


def perplexity(model, text):
    return total(score_lm(model, [text])).perplexity


def test_folder_arpa_and_back_score_alike(text, tmp_path):
    train_lm([text], tmp_path / "lm", order=3)
    expected = perplexity(tmp_path / "lm", text)
    convert_lm(tmp_path / "lm", tmp_path / "lm.arpa.gz")
    convert_lm(tmp_path / "lm.arpa.gz", tmp_path / "again")
    assert perplexity(tmp_path / "lm.arpa.gz", text) == pytest.approx(expected, rel=1e-5)
    assert perplexity(tmp_path / "again", text) == pytest.approx(expected, rel=1e-5)


def test_several_sources_are_one_text(text, tmp_path):
    for half, lines in enumerate((SENTENCES[:70], SENTENCES[70:])):
        (tmp_path / f"half{half}.txt").write_text("".join(f"{line}\n" for line in lines))
    train_lm([text], tmp_path / "whole", order=3)
    train_lm([tmp_path / "half0.txt", tmp_path / "half1.txt"], tmp_path / "halves", order=3)
    assert perplexity(tmp_path / "whole", text) == pytest.approx(perplexity(tmp_path / "halves", text), rel=1e-9)


def test_pruning_twice_is_pruning_once(text, tmp_path):
    train_lm([text], tmp_path / "lm", order=3)
    once = prune_lm(tmp_path / "lm", tmp_path / "once", 1e-4)
    twice = prune_lm(tmp_path / "once", tmp_path / "twice", 1e-9)
    assert [len(table) for table in twice.orders] == [len(table) for table in once.orders]
    nothing = prune_lm(tmp_path / "lm", tmp_path / "same", 0.0)
    assert [len(table) for table in nothing.orders] == load_lm(tmp_path / "lm").arc_counts


def test_description_counts_what_is_there(text, tmp_path):
    train_lm([text], tmp_path / "lm", order=3, unit="characters")
    found = describe_lm(tmp_path / "lm")
    assert (found.order, found.unit, found.ngrams) == (3, "characters", load_lm(tmp_path / "lm").arc_counts)
    assert found.words == found.ngrams[0]
    assert found.bytes == sum(path.stat().st_size for path in (tmp_path / "lm").iterdir())


def test_check_reads_lexicon_and_units(text, tmp_path):
    train_lm([text], tmp_path / "lm", order=2)
    Units("characters", [BLANK_SYMBOL, " ", *"w0123456789"]).save(tmp_path / "units.txt")
    (tmp_path / "words.txt").write_text("w0\nw1\nw777\n")
    report = check_lm(tmp_path / "lm", tmp_path / "units.txt", tmp_path / "words.txt")
    assert (report.lexicon_words, report.lexicon_misses, report.unspellable) == (3, ["w777"], [])


def test_a_unit_model_needs_the_units_to_score_text(text, tmp_path):
    units = Units("characters", [BLANK_SYMBOL, " ", *"w0123456789"])
    train_lm([text], tmp_path / "lm", order=2, unit="units", units=units)
    with pytest.raises(UsageError, match="is a model over units"):
        perplexity(tmp_path / "lm", text)
    assert total(score_lm(tmp_path / "lm", [text], units)).unknown == 0


@pytest.mark.parametrize("verb", [prune_lm, convert_lm])
def test_what_is_no_model_is_never_replaced(text, tmp_path, verb):
    train_lm([text], tmp_path / "lm", order=2)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    more = [1e-4] if verb is prune_lm else []
    with pytest.raises(UsageError, match="exists and is no n-gram model"):
        verb(tmp_path / "lm", tmp_path / "thesis", *more)
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_no_text_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "empty.txt").write_text("\n  \n")
    with pytest.raises((CorpusError, DecodingError, UsageError)):
        train_lm([tmp_path / "empty.txt"], tmp_path / "lm")
    assert not (tmp_path / "lm").exists()
