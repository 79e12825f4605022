"""OpenAI's API: its official client, its formats, its errors, and the same text as without the server."""

from __future__ import annotations

import time

import numpy as np
import pytest
from tests_model import RATE, sounds
from tests_serving import running, upload

from asr.audio.reading import encode_audio
from asr.serving.limits import Limits
from asr.transcribing.recognizer import Recognizer

PATH = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def expected(model_folder, wave):
    return Recognizer.load(model_folder, device="cpu").transcribe(wave).text


def test_the_official_client_gets_the_text_of_the_library(serving, recording, expected):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"http://{serving[1]}/v1", api_key="none")
    assert [model.id for model in client.models.list()] == ["toy"]
    assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", recording)).text == expected
    verbose = client.audio.transcriptions.create(
        model="toy",
        file=("a.wav", recording),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert " ".join(word.word for word in verbose.words) == expected
    assert " ".join(segment.text for segment in verbose.segments) == expected
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")
    with pytest.raises(openai.BadRequestError, match="not a model of this server"):
        client.audio.transcriptions.create(model="none", file=("a.wav", recording))


def test_a_stream_ends_with_exactly_one_done(serving, recording, expected):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"http://{serving[1]}/v1", api_key="none")
    events = list(client.audio.transcriptions.create(model="toy", file=("a.wav", recording), stream=True))
    assert [event.type for event in events].count("transcript.text.done") == 1
    assert events[-1].text == expected == "".join(event.delta for event in events[:-1])
    deadline = time.monotonic() + 10
    while serving[0].guarded.under_way and time.monotonic() < deadline:  # the last byte comes before the count
        time.sleep(0.01)
    assert serving[0].guarded.under_way == 0


@pytest.mark.parametrize(
    ("form", "kind", "beginning"),
    [("text", "text/plain", ""), ("srt", "application/x-subrip", "1\n00:00:0"), ("vtt", "text/vtt", "WEBVTT\n")],
)
def test_other_formats(client, recording, form, kind, beginning):
    answer = client.post(PATH, files=upload(recording), data={"response_format": form})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.text.startswith(beginning)


@pytest.mark.parametrize(
    ("data", "content", "status", "message"),
    [
        ({}, b"", 400, "file"),
        ({}, b"no audio at all", 400, "file"),
        ({"response_format": "docx"}, None, 400, "response_format"),
        ({"temperature": "7"}, None, 400, "temperature"),
        ({"timestamp_granularities[]": "word"}, None, 400, "needs response_format=verbose_json"),
        ({"prompt": "x," * 999 + ",".join(map(str, range(300)))}, None, 400, "phrases"),
    ],
)
def test_mistakes_are_error_objects_that_say_what_to_do(client, recording, data, content, status, message):
    answer = client.post(PATH, files=upload(recording if content is None else content), data=data)
    error = answer.json()["error"]
    assert (answer.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert message in error["message"]
    assert "/tmp" not in error["message"]


def test_a_missing_file_and_an_unknown_path(client):
    assert client.post(PATH, data={"model": "toy"}).json()["error"]["param"] == "file"
    assert client.get("/v2/nothing").status_code == 404


def test_the_prompt_is_phrases_to_expect(serving, client, recording):
    plain = client.post(PATH, files=upload(recording)).json()["text"]
    units = serving[0].models.get("toy").recognizer.trained.units
    phrase = units.decode([index for index in range(1, len(units)) if units.symbols[index].strip()][:3])
    helped = client.post(PATH, files=upload(recording), data={"prompt": f"{phrase}, {phrase}"})
    assert helped.status_code == 200, helped.text
    assert helped.json()["text"] != "" or plain == ""


def test_a_long_recording_is_refused_before_it_is_decoded(model_folder, recording):
    with running({"toy": model_folder}, limits=Limits(audio_seconds=0.5)) as (_, address):
        import httpx

        answer = httpx.post(f"http://{address}{PATH}", files=upload(recording))
        assert answer.status_code == 413
        assert "at most 0 s" in answer.text or "at most" in answer.text


def test_requests_together_have_the_texts_of_requests_alone(client, serving, model_folder):
    from concurrent.futures import ThreadPoolExecutor

    waves = [wave.astype(np.float32) for wave in sounds(6)]
    recognizer = Recognizer.load(model_folder, device="cpu")
    alone = [recognizer.transcribe(wave).text for wave in waves]

    def ask(wave):
        return client.post(PATH, files=upload(encode_audio(wave, RATE, "WAV"))).json()["text"]

    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            assert list(pool.map(ask, waves)) == alone
