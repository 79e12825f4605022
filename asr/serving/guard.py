"""What every HTTP request passes before the application sees it: limits, keys, a request id, counting and logging.

Pure ASGI, so that a body is counted while it arrives and never held here.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from asr.serving.limits import Limits
from asr.serving.metrics import Metrics

LOGGER = logging.getLogger("asr.serving")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
OPEN_PATHS = ("/health", "/ready", "/")  # need no key: they tell nothing
TRANSCRIBE = "/v1/audio/transcriptions"
COUNTED_PATHS = (TRANSCRIBE, "/v1/models", "/health", "/ready", "/metrics", "/")


class TooLarge(Exception):
    """The body is over the limit."""


class Silent(Exception):
    """No byte of the body has come for too long."""


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Guard:
    """ASGI middleware around the application.

    Args:
        app: what answers.
        limits: see there.
        metrics: told of every request.
        keys: API keys of which a request needs one; none asks for none.
    """

    def __init__(self, app: App, limits: Limits, metrics: Metrics, keys: Sequence[str] = ()) -> None:
        self.app, self.limits, self.metrics, self.keys = app, limits, metrics, [key.encode() for key in keys]
        self.closing = False
        self.under_way = 0  # transcriptions that wait or are worked on

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one connection's request."""
        if scope["type"] == "websocket":
            if not self._allowed(scope) or self.closing:
                await receive()
                await send({"type": "websocket.close", "code": 1008 if not self.closing else 1012})
                return
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Request(self, scope, receive, send).run()

    def _allowed(self, scope: MutableMapping[str, Any]) -> bool:
        if not self.keys or scope["path"] in OPEN_PATHS:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        key = given[7:] if given[:7].lower() == b"bearer " else b""
        if not key and scope["type"] == "websocket":  # browsers cannot set headers of a WebSocket
            key = next((p[4:] for p in scope["query_string"].split(b"&") if p.startswith(b"key=")), b"")
        return any([hmac.compare_digest(key, known) for known in self.keys])  # a list: every key is compared


class _Request:
    """One HTTP request on its way through the guard."""

    def __init__(self, guard: Guard, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.guard, self.scope, self._receive, self._send = guard, scope, receive, send
        self.id = uuid.uuid4().hex[:12]
        self.started = time.perf_counter()
        self.taken, self.status, self.whole = 0, 0, False
        self.cause: tuple[int, str, str] | None = None

    async def run(self) -> None:
        """Refuse it, or have it answered; in any case count and log it."""
        transcribes = self.scope["path"] == TRANSCRIBE
        refusal = self._refusal(transcribes)
        self.guard.under_way += transcribes
        try:
            if refusal is not None:
                await self._refuse(*refusal)
            else:
                await self._answer()
        finally:
            self.guard.under_way -= transcribes
            path = self.scope["path"] if self.scope["path"] in COUNTED_PATHS else "other"
            seconds = time.perf_counter() - self.started
            self.guard.metrics.requests.labels(path, str(self.status or 499)).inc()
            self.guard.metrics.latency.labels(path).observe(seconds)
            LOGGER.info("%s", json.dumps({
                "request": self.id, "method": self.scope["method"], "path": path, "status": self.status or 499,
                "bytes": self.taken, "seconds": round(seconds, 3),
            }))  # fmt: skip

    def _refusal(self, transcribes: bool) -> tuple[int, str, str] | None:
        if self.guard.closing:
            return 503, "the server is shutting down; try another one or later", "server_error"
        if not self.guard._allowed(self.scope):
            return 401, "the API key is missing or unknown; send 'Authorization: Bearer KEY'", "invalid_request_error"
        if transcribes and self.guard.under_way >= self.guard.limits.waiting:
            return 503, f"{self.guard.under_way} recordings are waiting already; try again", "server_error"
        announced = dict(self.scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self.guard.limits.upload_bytes:
            return 413, self._too_large(), "invalid_request_error"
        return None

    def _too_large(self) -> str:
        return f"the request is over {self.guard.limits.upload_bytes} bytes; send a shorter or compressed recording"

    async def _answer(self) -> None:
        """Have the application answer; it takes a body that breaks off for a mistake of the client, so we say why."""
        with suppress(TooLarge, Silent):
            await self.guard.app(self.scope, self._counted, self._noted)
        if self.cause is not None:
            await self._refuse(*self.cause)

    async def _counted(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), None if self.whole else self.guard.limits.silent_seconds)
        except asyncio.TimeoutError:
            seconds = self.guard.limits.silent_seconds
            self.cause = 408, f"no data came for {seconds:g} s; send the body without pauses", "timeout"
            raise Silent from None
        if message["type"] == "http.request":
            self.taken += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)  # then only a disconnection can come
            if self.taken > self.guard.limits.upload_bytes:
                self.cause = 413, self._too_large(), "invalid_request_error"
                raise TooLarge
        return message

    async def _noted(self, message: Message) -> None:
        if self.cause is not None:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.id.encode())]
        await self._send(message)

    async def _refuse(self, status: int, reason: str, kind: str) -> None:
        if self.status:  # an answer is under way: all that is left is to end it
            return
        self.status = status
        body = json.dumps(error_body(reason, kind)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
                   (b"connection", b"close"), (b"x-request-id", self.id.encode())]  # fmt: skip
        if status == 503:
            headers.append((b"retry-after", b"5"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
