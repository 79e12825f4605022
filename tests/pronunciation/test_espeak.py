"""espeak-ng says any word of many languages, the same every time, without stress."""

import pytest

from asr.errors import UsageError
from asr.pronunciation.espeak import pronounce


@pytest.mark.parametrize(
    ("word", "language", "said"),
    [
        ("hello", "en-us", "h ə l oʊ"),
        ("GATHERCOLE", "en-us", "ɡ æ ð ɚ k oʊ l"),
        ("Straße", "de", "ʃ t ɾ ɑː s ə"),
        ("bonjour", "fr", "b ɔ̃ ʒ u ʁ"),
    ],
)
def test_words(word, language, said):
    assert pronounce(word, language) == tuple(said.split())


def test_languages_do_not_get_into_each_other():
    german = pronounce("Gift", "de")
    pronounce("gift", "en-us")
    assert pronounce("Gift", "de") == german


def test_nothing_to_say():
    assert pronounce("...", "en-us") == ()


def test_unknown_language():
    with pytest.raises(UsageError, match=r"'klingonese' is not known to espeak-ng; give one such as en-us, de"):
        pronounce("word", "klingonese")
