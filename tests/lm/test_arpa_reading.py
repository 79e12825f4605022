"""ARPA files of every writer, whole and broken."""

import bz2
import gzip
import logging
import lzma
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ngrams import as_dictionary, made_up_text, slow_prob

from asr.errors import DecodingError
from asr.lm.arpa_reading import read_arpa
from asr.lm.arpa_writing import write_arpa
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams

WHOLE = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-2\t<unk>\t0
-99\t<s>\t-0.5
-1\t</s>\t0
-0.7\ta\t-0.3
-0.9\tb\t-0.2

\\2-grams:
-0.4\t<s> a
-0.6\ta b
-0.8\tb </s>

\\end\\
"""


@pytest.fixture
def read(tmp_path):
    def from_text(text):
        path = tmp_path / "model.arpa"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_arpa(path)

    return from_text


def test_reads_words_probabilities_and_backoffs(read):
    model = read(WHOLE)
    assert model.vocabulary == ["<unk>", "<s>", "</s>", "a", "b"]
    assert as_dictionary(model)[("a", "b")][0] == pytest.approx(10**-0.6)
    assert as_dictionary(model)[("a",)] == pytest.approx([10**-0.7, 10**-0.3])


def test_special_words_may_stand_anywhere_and_the_order_of_lines_does_not_matter(read):
    lines = WHOLE.split("\n")
    lines[5:10] = lines[5:10][::-1]
    lines[12:15] = lines[12:15][::-1]
    shuffled = read("\n".join(lines))
    assert shuffled.vocabulary[:3] == ["<unk>", "<s>", "</s>"]
    assert as_dictionary(shuffled) == as_dictionary(read(WHOLE))


@pytest.mark.parametrize("suffix", [".arpa", ".arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_written_model_is_read_back(tmp_path, suffix, order):
    tables = train_ngrams(made_up_text(100, 50), order)
    write_arpa(tables, tmp_path / f"lm{suffix}")
    expected, got = as_dictionary(tables), as_dictionary(read_arpa(tmp_path / f"lm{suffix}"))
    assert got.keys() == expected.keys()
    for ngram, values in expected.items():
        assert got[ngram] == pytest.approx(values, rel=2e-6)


def test_packed_files_of_one_model_are_equal_bytes(tmp_path):
    tables = train_ngrams(made_up_text(30, 20), 2)
    for name in ("one.arpa.gz", "two.arpa.gz"):
        write_arpa(tables, tmp_path / name)
    assert (tmp_path / "one.arpa.gz").read_bytes() == (tmp_path / "two.arpa.gz").read_bytes()


def test_failed_write_leaves_nothing(tmp_path):
    tables = train_ngrams([["a", "b"]], 2)
    tables.vocabulary = tables.vocabulary[:3]  # the words of the n-grams are gone
    with pytest.raises(IndexError):
        write_arpa(tables, tmp_path / "lm.arpa")
    assert list(tmp_path.iterdir()) == []


def test_srilm_style_is_read(read, caplog):
    """Words before the marks, no <unk>, upper-case marks, spaces for tabs, back-offs left out, Windows line ends."""
    text = (
        "made by ngram-count\n\n\\Data\\\nngram 1= 4\nngram 2 =2\n\n\\1-Grams:\n-1 </S>\n-99 <S> -0.5\n-0.7 a -0.3\n"
        "-0.9 b\n\n\\2-GRAMS:\n-0.4 <S> a\n-0.6 a b\n\n\\END\\\n"
    ).replace("\n", "\r\n")
    with caplog.at_level(logging.WARNING, "asr"):
        tables = read(text)
    assert tables.vocabulary == ["<unk>", "<s>", "</s>", "a", "b"]
    assert as_dictionary(tables)[("<s>", "a")][0] == pytest.approx(10**-0.4)
    assert as_dictionary(tables)[("<unk>",)][0] == pytest.approx(1e-100)
    assert "no <unk>" in caplog.text


def test_words_with_unicode_spaces_are_whole(read):
    tables = read(WHOLE.replace("\tb\t", "\tb\u00a0c\t").replace("a b", "a b\u00a0c").replace("\tb <", "\tb\u00a0c <"))
    assert tables.vocabulary[-1] == "b\u00a0c"


def test_contexts_without_backoff_are_counted(read, caplog):
    with caplog.at_level(logging.WARNING, "asr"):
        model = as_dictionary(read(WHOLE.replace("a\t-0.3", "a").replace("<unk>\t0", "<unk>")))
    assert model[("a",)][1] == 1.0
    assert "1 1-grams are contexts without a back-off" in caplog.text


def test_missing_contexts_are_filled_in_without_changing_the_model(read, caplog):
    """'a b c' and 'c b a b' without their prefixes: the added ones get the probability that they backed off to."""
    text = WHOLE.replace("ngram 1=5\nngram 2=3\n", "ngram 1=6\nngram 2=2\nngram 3=1\nngram 4=1\n")
    text = text.replace("b\t-0.2\n", "b\t-0.2\n-1.1\tc\t-0.15\n").replace("-0.6\ta b\n", "")
    text = text.replace("\\end\\", "\\3-grams:\n-0.1\ta b c\t-0.05\n\n\\4-grams:\n-0.2\tc b a b\n\n\\end\\")
    with caplog.at_level(logging.WARNING, "asr"):
        tables = read(text)
    assert "1 contexts of 3-grams" in caplog.text
    assert "2 contexts of 4-grams" in caplog.text  # "c b" and "c b a"
    model = as_dictionary(tables)
    assert model[("a", "b")] == pytest.approx([10 ** (-0.3 - 0.9), 1.0])
    assert model[("c", "b", "a")] == pytest.approx([10 ** (-0.2 - 0.7), 1.0], rel=1e-5)
    automaton = build_model(tables)
    words = ["a", "b", "c", "b", "a", "b"]
    state, history = automaton.start_state, ["<s>"]
    for word in words:
        log_prob, state = automaton.step(state, automaton.ids[word])
        assert log_prob == pytest.approx(math.log(slow_prob(model, history[-3:], word)), abs=1e-5)
        history.append(word)


BROKEN = {
    "no header": ("hello\nworld\n", "no ARPA file"),
    "empty": ("", "no ARPA file"),
    "cut in the counts": (WHOLE[: WHOLE.index("ngram 2")], "within the counts"),
    "cut in a section": (WHOLE[: WHOLE.index("\n-0.6\ta b") + 1], "line 13 is the last, within the 2-grams"),
    "cut in a line": (WHOLE[: WHOLE.index("\ta b")], "has 1 fields"),
    "no end": (WHOLE.replace("\\end\\\n", ""), "without \\\\end"),
    "count too high": (WHOLE.replace("ngram 2=3", "ngram 2=4"), "line 16 ends the 2-grams before their number"),
    "count too low": (WHOLE.replace("ngram 2=3", "ngram 2=2"), "is not the mark"),
    "first count too low": (WHOLE.replace("ngram 1=5", "ngram 1=4"), "line 10 is .* where .2-grams"),
    "huge count": (WHOLE.replace("ngram 2=3", "ngram 2=99999999999999"), "before their number is full"),
    "orders in the wrong order": (WHOLE.replace("ngram 2=3", "ngram 3=3"), "counts 3-grams where 2-grams are due"),
    "no count": (WHOLE.replace("ngram 2=3", "ngram 2=three"), "line 3 is not of the form"),
    "not a number": (WHOLE.replace("-0.6\ta b", "x\ta b"), "line 14 has the probability 'x'"),
    "not finite": (WHOLE.replace("-0.6\ta b", "nan\ta b"), "line 14 has the probability 'nan'"),
    "back-off not a number": (WHOLE.replace("a\t-0.3", "a\t--"), "line 9 has the back-off '--'"),
    "too many fields": (WHOLE.replace("-0.6\ta b", "-0.6\ta b c d e"), "line 14 has 6 fields"),
    "unknown word": (WHOLE.replace("-0.6\ta b", "-0.6\ta q"), "line 14 has the word 'q' that is no unigram"),
    "word twice": (WHOLE.replace("-0.9\tb", "-0.9\ta"), "line 10 repeats the word 'a'"),
    "n-gram twice": (WHOLE.replace("-0.8\tb </s>", "-0.6\ta b"), "'a b' comes twice"),
    "no sentence end": (WHOLE.replace("</s>", "c"), "lack </s>"),
    "not UTF-8": (WHOLE.encode().replace(b"b", b"\xff"), "UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_an_error_that_names_file_and_line(read, name):
    text, reason = BROKEN[name]
    with pytest.raises(DecodingError, match=reason) as caught:
        read(text)
    assert "model.arpa" in str(caught.value)
    assert "line" in caught.value.reason


def test_cut_at_every_byte_is_an_error_or_the_whole_model(read):
    whole = as_dictionary(read(WHOLE))
    for size in range(len(WHOLE) - 1):
        try:
            assert as_dictionary(read(WHOLE[:size])) == whole
        except DecodingError:
            continue


def test_cut_gzip_is_an_error(tmp_path):
    packed = gzip.compress(WHOLE.encode())
    (tmp_path / "lm.arpa.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DecodingError, match=r"lm\.arpa\.gz"):
        read_arpa(tmp_path / "lm.arpa.gz")


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(DecodingError, match="cannot be read"):
        read_arpa(tmp_path / "nothing.arpa")


def test_probabilities_over_one_are_counted(read, caplog):
    read(WHOLE.replace("-0.6\ta b", "0.3\ta b"))
    assert "1 2-grams have a probability over 1" in caplog.text


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_mutation_is_a_model_or_a_clear_error(tmp_path_factory, changes):
    text = bytearray(WHOLE.encode())
    for place, byte in changes:
        text[place] = byte
    path = tmp_path_factory.mktemp("mutant") / "model.arpa"
    path.write_bytes(bytes(text))
    try:
        model = build_model(read_arpa(path))
    except DecodingError as error:
        assert "line" in error.reason
    else:
        assert math.isfinite(model.score(["a", "b", "b"]))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz", "m"])
def test_packing_is_told_by_content_and_a_byte_order_mark_is_no_line(tmp_path, pack, name):
    (tmp_path / name).write_bytes(pack(b"\xef\xbb\xbf" + WHOLE.encode()))
    assert read_arpa(tmp_path / name).vocabulary == ["<unk>", "<s>", "</s>", "a", "b"]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_what_is_written_under_a_packed_name_is_packed(tmp_path, read, suffix):
    write_arpa(read(WHOLE), tmp_path / f"m.arpa{suffix}")
    assert (tmp_path / f"m.arpa{suffix}").read_bytes()[:1] != b"\\"
    assert as_dictionary(read_arpa(tmp_path / f"m.arpa{suffix}")) == as_dictionary(read(WHOLE))


@pytest.mark.parametrize(("backoff", "told"), [("-1.5", True), ("0.3", True), ("0", False)])
def test_back_offs_of_the_highest_order_are_told(read, caplog, backoff, told):
    """They are left where a file was cut by hand to its lower orders, and can have no effect."""
    with caplog.at_level(logging.WARNING, logger="asr"):
        model = read(WHOLE.replace("-0.6\ta b", f"-0.6\ta b\t{backoff}"))
    assert ("1 2-grams, the highest order, have back-offs" in caplog.text) == told
    assert as_dictionary(model) == as_dictionary(read(WHOLE))
