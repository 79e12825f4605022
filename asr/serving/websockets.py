"""Live streams over WebSockets, in two protocols that clients exist for.

vosk's (`/` and `/vosk`; alphacep/vosk-server, websocket/asr_server.py): an optional text `{"config": {"sample_rate": R,
"phrase_list": [...]}}`, then binary blocks of 16-bit samples; every block is answered by `{"partial": TEXT}` or
`{"result": [{"conf", "end", "start", "word"}], "text": TEXT}`; `{"eof": 1}` asks for the last result.

sherpa-onnx's streaming one (`/sherpa`; k2-fsa/sherpa-onnx, python-api-examples/streaming_server.py): binary blocks of
float32 samples at 16 kHz, answered by `{"text", "segment", "is_final"}`; `Done` ends, and is answered by `Done!`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from asr.errors import AsrError
from asr.serving.live import Heard, Live
from asr.serving.metrics import Metrics
from asr.serving.models import phrases_of
from asr.serving.openai_api import Service

VOSK_RATE, SHERPA_RATE = 8000, 16000  # Hz, where a client says nothing; vosk's server has 8000, too
LOWEST_RATE, HIGHEST_RATE = 4000, 192_000
TRY_LATER, POLICY, TOO_BIG, BAD_DATA = 1013, 1008, 1009, 1003


class _Ended(Exception):
    """The stream has to be closed with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def streams(service: Service, metrics: Metrics) -> APIRouter:
    """The WebSocket paths."""
    router = APIRouter()
    open_streams = 0

    async def serve(socket: WebSocket, protocol: Callable[[_Stream], Awaitable[None]]) -> None:
        nonlocal open_streams
        await socket.accept()
        if open_streams >= service.limits.streams or not service.models.ready:
            reason = "too many streams; try later" if service.models.ready else "the models are still loading"
            await socket.close(TRY_LATER, reason)
            return
        open_streams += 1
        metrics.streams.set(open_streams)
        try:
            await protocol(_Stream(socket, service, metrics))
            await socket.close()
        except _Ended as end:
            await socket.close(end.code, end.reason)
        except AsrError as error:
            await socket.close(BAD_DATA, str(error)[:120])
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client has gone
        finally:
            open_streams -= 1
            metrics.streams.set(open_streams)

    @router.websocket("/")
    @router.websocket("/vosk")
    async def vosk(socket: WebSocket) -> None:
        await serve(socket, _vosk)

    @router.websocket("/sherpa")
    async def sherpa(socket: WebSocket) -> None:
        await serve(socket, _sherpa)

    return router


class _Stream:
    """A connection, bounded in silence and length."""

    def __init__(self, socket: WebSocket, service: Service, metrics: Metrics) -> None:
        self.socket, self.service, self.metrics = socket, service, metrics
        self.rate = VOSK_RATE
        self.phrases: list[str] = []
        self.live: Live | None = None

    async def receive(self) -> bytes | str:
        """The next message."""
        seconds = self.service.limits.silent_seconds
        try:
            message = await asyncio.wait_for(self.socket.receive(), seconds)
        except asyncio.TimeoutError:
            raise _Ended(POLICY, f"no data came for {seconds:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        content: bytes | str | None = message.get("bytes")
        return content if content is not None else message["text"]

    async def accept(self, samples: np.ndarray) -> list[Heard]:
        """Take a block, and note how long its answer took."""
        started = time.perf_counter()
        if self.live is None:
            model = self.service.models.get(self.socket.query_params.get("model", ""))
            job = await asyncio.to_thread(model.job, self.phrases)
            self.live = Live(self.service.scheduler, job, self.rate)
        if self.live.heard_seconds > self.service.limits.stream_seconds:
            raise _Ended(TOO_BIG, f"streams last at most {self.service.limits.stream_seconds:.0f} s; open another")
        heard = await self.live.accept(samples)
        if heard:
            self.metrics.message.observe(time.perf_counter() - started)
        return heard

    async def finish(self) -> list[Heard]:
        """The last results."""
        return await self.live.finish() if self.live is not None else []


async def _vosk(stream: _Stream) -> None:
    while True:
        message = await stream.receive()
        if isinstance(message, str):
            if _vosk_command(stream, message):
                break
            continue
        heard = await stream.accept(_sixteen_bit(message))
        results = [each for each in heard if each.final]
        if results:
            await stream.socket.send_text(_vosk_result(results))
        else:
            await stream.socket.send_text(json.dumps({"partial": heard[-1].transcript.text if heard else ""}))
    await stream.socket.send_text(_vosk_result(await stream.finish()))


def _vosk_command(stream: _Stream, message: str) -> bool:
    """Obey a text message; True where it says that the stream is over."""
    try:
        command = json.loads(message)
    except ValueError:
        raise _Ended(BAD_DATA, "a text message is not JSON") from None
    if not isinstance(command, dict):
        raise _Ended(BAD_DATA, "a text message is not a JSON object")
    if command.get("eof"):
        return True
    config: Any = command.get("config")
    if isinstance(config, dict):
        if stream.live is not None:
            raise _Ended(BAD_DATA, "config must come before the first samples")
        rate = config.get("sample_rate", stream.rate)
        if not isinstance(rate, (int, float)) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise _Ended(BAD_DATA, f"sample_rate must be {LOWEST_RATE} to {HIGHEST_RATE}")
        stream.rate = round(rate)
        phrases = config.get("phrase_list", [])
        stream.phrases = phrases_of("\n".join(map(str, phrases)) if isinstance(phrases, list) else str(phrases))
    return False


def _vosk_result(results: list[Heard]) -> str:
    words = [word for heard in results for segment in heard.transcript.segments for word in segment.words]
    listed = [{"conf": word.confidence, "end": word.end, "start": word.start, "word": word.text} for word in words]
    text = " ".join(heard.transcript.text for heard in results if heard.transcript.text)
    return json.dumps({"result": listed, "text": text} if words else {"text": text}, ensure_ascii=False)


async def _sherpa(stream: _Stream) -> None:
    stream.rate = SHERPA_RATE
    segment, before = 0, ""

    async def tell(heard: list[Heard]) -> None:
        nonlocal segment, before
        for each in heard:
            text = each.transcript.text
            if text != before or (each.final and text):
                answer = {"text": text, "segment": segment, "is_final": each.final}
                await stream.socket.send_text(json.dumps(answer, ensure_ascii=False))
                before = text
            if each.final and text:
                segment, before = segment + 1, ""

    while (message := await stream.receive()) != "Done":
        if isinstance(message, str) or len(message) % 4:
            raise _Ended(BAD_DATA, "send float32 samples, then 'Done'")
        samples = np.frombuffer(message, "<f4")
        if not np.isfinite(samples).all():
            raise _Ended(BAD_DATA, "a sample is not a finite number")
        await tell(await stream.accept(samples))
    await tell(await stream.finish())
    await stream.socket.send_text("Done!")


def _sixteen_bit(block: bytes) -> np.ndarray:
    if len(block) % 2:
        raise _Ended(BAD_DATA, "a block of 16-bit samples has an odd number of bytes")
    return np.frombuffer(block, "<i2").astype(np.float32) / 32768
