"""What `import asr` offers to programs: a decoder, and a recording's readings, with the settings of a model folder."""

import numpy as np
import pytest
from tests_model import RATE, sounds, write_model

import asr
from asr.audio.reading import write_audio
from asr.errors import UsageError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("interface") / "model")


def test_a_recording_is_decoded_in_one_call(model, tmp_path):
    wave = sounds(1, seed=4)[0]
    write_audio(tmp_path / "a.wav", wave, RATE)
    (best,) = asr.decode(tmp_path / "a.wav", model, beam=0)
    assert best.text == asr.load_model(model, "cpu").transcribe(tmp_path / "a.wav").text
    assert [word.text for word in best.words] == best.text.split()


def test_a_decoder_takes_log_probabilities(model):
    decoder = asr.load_decoder(model, beam=0)
    recognizer = asr.load_model(model, "cpu")
    (log_probs,) = recognizer.log_probs(sounds(1, seed=4))
    assert decoder.decode(log_probs) == recognizer.decoder.decode(log_probs)
    assert isinstance(log_probs, np.ndarray)


def test_what_would_have_no_effect_is_refused(model):
    with pytest.raises(UsageError, match="has no effect on greedy decoding"):
        asr.load_decoder(model, beam=0, alpha=0.5)
