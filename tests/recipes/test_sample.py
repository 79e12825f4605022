"""The recording that the repository ships, with the model that it ships: what a newcomer tries first."""

from pathlib import Path

import asr

ROOT = Path(__file__).parents[2]
TEXT = "LEONARD BACON WAS BORN IN DETROIT MICHIGAN"


def test_the_english_model_hears_most_of_the_sample():
    transcript = asr.load_model(ROOT / "models" / "english").transcribe(ROOT / "recipes" / "english" / "sample.opus")
    assert asr.score([TEXT], [transcript.text]).wer <= 2 / 7
    words = [word for segment in transcript.segments for word in segment.words]
    assert [word.text for word in words] == transcript.text.split()
    assert all(0 <= word.start <= word.end <= transcript.duration for word in words)
