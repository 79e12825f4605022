"""Live streams: the public clients' protocols, the text of the whole at the end, and what is wrong with a stream."""

from __future__ import annotations

import asyncio
import itertools
import json

import numpy as np
import pytest
from tests_model import RATE, sounds
from tests_serving import running

from asr.serving.limits import Limits
from asr.serving.live import Live
from asr.serving.metrics import Metrics
from asr.serving.scheduler import Job, Scheduler
from asr.transcribing.recognizer import Recognizer

websockets = pytest.importorskip("websockets", reason="the server needs: pip install 'asr[server]'")
BLOCK = RATE // 4


def sixteen_bit(wave):
    return (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()


async def vosk(address, wave, path="", rate=RATE, block=BLOCK):
    """What alphacep/vosk-server's example client does: config, blocks, eof; every answer is returned."""
    answers = []
    async with websockets.connect(f"ws://{address}{path}") as socket:
        await socket.send(json.dumps({"config": {"sample_rate": rate}}))
        for begin in range(0, len(wave), block):
            await socket.send(sixteen_bit(wave[begin : begin + block]))
            answers.append(json.loads(await socket.recv()))
        await socket.send('{"eof" : 1}')
        answers.append(json.loads(await socket.recv()))
    return answers


@pytest.mark.parametrize("path", ["", "/vosk"])
def test_vosk_clients_get_partial_texts_and_words_with_times(serving, wave, path):
    answers = asyncio.run(vosk(serving[1], wave, path))
    assert all(set(answer) in ({"partial"}, {"text", "result"}, {"text"}) for answer in answers)
    assert any(answer.get("partial") for answer in answers)
    words = [word for answer in answers for word in answer.get("result", [])]
    assert words and set(words[0]) == {"conf", "end", "start", "word"}
    assert all(a["end"] <= b["start"] + 1e-6 for a, b in itertools.pairwise(words))
    assert words[-1]["end"] <= len(wave) / RATE + 0.1


def test_the_block_size_does_not_matter_where_nothing_is_cut(serving, model_folder):
    wave = sounds(1)[0]
    sent = (np.frombuffer(sixteen_bit(wave), "<i2") / 32768).astype(np.float32)
    expected = Recognizer.load(model_folder, device="cpu").transcribe(sent).text
    for block in (len(wave), 999, 160):
        answers = asyncio.run(vosk(serving[1], wave, block=block))
        assert " ".join(answer["text"] for answer in answers if answer.get("text")) == expected


def test_sherpa_onnx_clients_are_answered_and_told_when_it_is_done(serving, wave):
    async def talk():
        answers = []
        async with websockets.connect(f"ws://{serving[1]}/sherpa") as socket:
            for begin in range(0, len(wave), 4000):
                await socket.send(wave[begin : begin + 4000].astype("<f4").tobytes())
            await socket.send("Done")
            while (answer := await socket.recv()) != "Done!":
                answers.append(json.loads(answer))
        return answers

    answers = asyncio.run(talk())
    assert [answer["segment"] for answer in answers] == sorted(answer["segment"] for answer in answers)
    assert answers[-1]["is_final"]


@pytest.mark.parametrize(
    ("path", "message", "code", "reason"),
    [
        ("/vosk", "no JSON", 1003, "not JSON"),
        ("/vosk", "[1]", 1003, "not a JSON object"),
        ("/vosk", '{"config": {"sample_rate": -5}}', 1003, "sample_rate"),
        ("/vosk", b"odd", 1003, "odd number"),
        ("/sherpa", b"abcde", 1003, "float32"),
        ("/sherpa", np.float32([np.nan]).tobytes(), 1003, "finite"),
        ("/vosk?model=none", bytes(8000), 1003, "not a model"),
    ],
)
def test_a_wrong_message_closes_the_stream_with_a_reason(serving, path, message, code, reason):
    async def talk():
        async with websockets.connect(f"ws://{serving[1]}{path}") as socket:
            await socket.send(message)
            await socket.recv()

    with pytest.raises(websockets.ConnectionClosed) as closed:
        asyncio.run(talk())
    assert closed.value.rcvd.code == code
    assert reason in closed.value.rcvd.reason


def test_too_many_streams_and_silent_ones_are_closed(model_folder):
    with running({"toy": model_folder}, limits=Limits(streams=1, silent_seconds=0.3)) as (_, address):

        async def talk():
            async with websockets.connect(f"ws://{address}/vosk") as first:
                await first.send('{"config": {}}')
                async with websockets.connect(f"ws://{address}/vosk") as second:
                    with pytest.raises(websockets.ConnectionClosed) as full:
                        await second.recv()
                with pytest.raises(websockets.ConnectionClosed) as silent:
                    await first.recv()
            return full.value.rcvd.code, silent.value.rcvd.code

        assert asyncio.run(talk()) == (1013, 1008)


def test_an_utterance_ends_at_a_pause_and_its_final_text_is_that_of_its_samples(recognizer):
    async def listen():
        scheduler = Scheduler(Metrics())
        scheduler.start(asyncio.get_running_loop())
        live = Live(scheduler, Job(recognizer, recognizer.decoder), RATE)
        first, second = sounds(2)
        pause = np.zeros(2 * RATE, np.float32)
        heard = []
        stream = np.concatenate([first, pause, second])
        for begin in range(0, len(stream), BLOCK):
            heard += await live.accept(stream[begin : begin + BLOCK])
        heard += await live.finish()
        await asyncio.to_thread(scheduler.close)
        return heard

    heard = asyncio.run(listen())
    finals = [each.transcript for each in heard if each.final]
    assert finals[-1].text
    starts = [segment.start for final in finals for segment in final.segments]
    assert starts == sorted(starts)
