"""What keeps a server alive: limits with their codes, keys, health, metrics, reloading, and an orderly end."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests_model import write_model
from tests_serving import running, upload

from asr.cli.serve import named_models
from asr.errors import UsageError
from asr.serving.limits import Limits
from asr.serving.run import read_keys

PATH = "/v1/audio/transcriptions"
KEY = "k" * 24


def test_health_ready_and_metrics(client, recording):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"ready": True}
    client.post(PATH, files=upload(recording))
    text = client.get("/metrics").text
    for name in ("asr_requests_total", "asr_audio_seconds_total", "asr_real_time_factor", "asr_batch_pieces",
                 "asr_request_seconds_bucket", "asr_requests_under_way 0.0"):  # fmt: skip
        assert name in text


def test_a_model_that_cannot_be_loaded_is_what_health_says(tmp_path):
    with running({"toy": tmp_path / "none"}) as (_, address):
        answer = httpx.get(f"http://{address}/health")
        assert answer.status_code == 503
        assert "none" in answer.json()["status"]
        assert httpx.post(f"http://{address}{PATH}", files=upload(b"x")).status_code == 503


def test_a_model_is_reloaded_and_the_old_one_stays_where_the_new_one_is_broken(tmp_path, recording):
    folder = write_model(tmp_path / "model")
    with running({"toy": folder}) as (server, address), httpx.Client(base_url=f"http://{address}") as client:
        before = client.post(PATH, files=upload(recording)).json()["text"]
        old = server.models.get("toy")
        assert client.post("/models/toy/reload").status_code == 200
        assert server.models.get("toy") is not old
        (folder / "config.yaml").unlink()
        assert client.post("/models/toy/reload").status_code == 422
        assert client.post(PATH, files=upload(recording)).json()["text"] == before


def test_keys_are_needed_but_for_health_and_the_page(model_folder, recording):
    with (
        running({"toy": model_folder}, keys=[KEY]) as (_, address),
        httpx.Client(base_url=f"http://{address}") as client,
    ):
        assert client.get("/health").status_code == client.get("/").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
            answer = client.post(PATH, files=upload(recording), headers=headers)
            assert answer.status_code == 401
        good = client.post(PATH, files=upload(recording), headers={"Authorization": f"Bearer {KEY}"})
        assert good.status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_while_it_arrives(model_folder, announced):
    def blocks():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(100):
            yield bytes(10_000)

    with running({"toy": model_folder}, limits=Limits(upload_bytes=50_000)) as (_, address):
        content = bytes(1_000_000) if announced else blocks()
        try:
            kind = {"Content-Type": "multipart/form-data; boundary=b"}
            answer = httpx.post(f"http://{address}{PATH}", content=content, headers=kind)
            assert answer.status_code == 413
        except httpx.WriteError:  # the server has answered and closed while we were still writing
            pass
        assert httpx.get(f"http://{address}/health").status_code == 200


def test_more_requests_than_may_wait_are_told_when_to_come_back(model_folder, recording):
    with running({"toy": model_folder}, limits=Limits(waiting=1)) as (server, address):
        server.guarded.under_way = 1
        answer = httpx.post(f"http://{address}{PATH}", files=upload(recording))
        server.guarded.under_way = 0
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


def test_a_silent_body_and_a_head_that_never_ends(model_folder):
    with running({"toy": model_folder}, limits=Limits(silent_seconds=0.3, header_seconds=0.3)) as (_, address):
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as late:
            late.sendall(b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
                         b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b")  # fmt: skip
            assert b" 408 " in late.recv(1000)
        with socket.create_connection((host, int(port))) as loris:
            loris.settimeout(10)
            loris.sendall(b"GET / HT")
            assert loris.recv(1000) == b""


def test_the_page_is_one_file_that_asks_for_nothing_else(client):
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in answer.text


def test_other_sites_may_not_use_the_server_unless_allowed(model_folder, client):
    asking = {"Origin": "https://example.org"}
    assert "access-control-allow-origin" not in client.get("/v1/models", headers=asking).headers
    with running({"toy": model_folder}, origins=["https://example.org"]) as (_, address):
        allowed = httpx.get(f"http://{address}/v1/models", headers=asking).headers
        assert allowed["access-control-allow-origin"] == "https://example.org"


def test_a_short_recording_is_answered_while_a_long_one_is_under_way(serving, client, wave, recording):
    import numpy as np
    from tests_model import RATE

    from asr.audio.reading import encode_audio

    long = encode_audio(np.tile(wave, 100), RATE, "WAV")
    ended = {}

    def ask(name, content):
        assert client.post(PATH, files=upload(content), timeout=120).status_code == 200
        ended[name] = time.monotonic()

    slow = threading.Thread(target=ask, args=("long", long))
    slow.start()
    while serving[0].guarded.under_way == 0:
        time.sleep(0.01)
    ask("short", recording)
    slow.join()
    assert ended["short"] < ended["long"]


def test_running_requests_are_finished_at_the_end(model_folder, wave, recording):
    answers = []
    with running({"toy": model_folder}) as (server, address):

        def ask():
            answers.append(httpx.post(f"http://{address}{PATH}", files=upload(recording), timeout=60).status_code)

        thread = threading.Thread(target=ask)
        thread.start()
        while not server.guarded.under_way and not answers:
            time.sleep(0.001)
    thread.join()
    assert answers == [200]


def test_keys_of_a_file(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{KEY}\n")
    assert read_keys(file) == [KEY]
    assert read_keys(None) == []
    for content, reason in (("# none\n", "holds no key"), ("short\n", "under 16 characters")):
        file.write_text(content)
        with pytest.raises(UsageError, match=reason):
            read_keys(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(tmp_path / "none")


def test_names_of_models(tmp_path):
    assert named_models([str(tmp_path / "exp" / "an4" / "model"), "b=x"]) == {
        "an4": tmp_path / "exp" / "an4" / "model",
        "b": Path("x"),
    }
    with pytest.raises(UsageError, match="names two models"):
        named_models(["a=x", "a=y"])
