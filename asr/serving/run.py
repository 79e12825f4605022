"""The server as a process: listening, the heads of requests in time, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from asr.errors import UsageError
from asr.serving.app import Server
from asr.serving.limits import Limits

LOGGER = logging.getLogger("asr")
KEY_CHARACTERS = 16  # the fewest of an API key


def in_time(limits: Limits) -> type[H11Protocol]:
    """uvicorn's HTTP protocol that closes a connection whose request does not begin in time (slow loris)."""

    class Timed(H11Protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._deadline = self.loop.call_later(limits.header_seconds, self._head_is_late)

        def _head_is_late(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            super().connection_lost(exc)

    return Timed


def read_keys(path: Path | None) -> list[str]:
    """API keys, a line each; empty lines and lines from '#' are skipped.

    Raises:
        UsageError: the file cannot be read, or holds no key or a short one.
    """
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(path, f"cannot be read ({error})", "give a text file with a key a line") from None
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys or any(len(key) < KEY_CHARACTERS for key in keys):
        reason = "holds no key" if not keys else f"holds a key of under {KEY_CHARACTERS} characters"
        raise UsageError(path, reason, "write one long random key a line, such as 'openssl rand -hex 24' prints")
    return keys


def configuration(server: Server, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs the server."""
    limits = server.limits
    options: dict[str, Any] = {
        "limit_concurrency": limits.connections, "timeout_keep_alive": 15, "backlog": 256, "access_log": False,
        "timeout_graceful_shutdown": round(limits.drain_seconds), "log_config": None, "server_header": False,
        "ws_max_size": 2**22, "ws_ping_timeout": limits.silent_seconds, "h11_max_incomplete_event_size": 2**16,
    }  # fmt: skip
    return uvicorn.Config(server.guarded, host=host, port=port, http=in_time(limits), **options)


def run_server(
    models: dict[str, Path], host: str, port: int, *, limits: Limits, keys: Sequence[str], origins: Sequence[str],
    threads: int,
) -> None:  # fmt: skip
    """Serve until SIGTERM or Ctrl-C; requests under way are finished, new ones refused."""
    server = Server(models, limits=limits, keys=keys, origins=origins, threads=threads)
    LOGGER.info("http://%s:%d serves %s; the page is at /, the API below /v1", host, port, ", ".join(models))
    uvicorn.Server(configuration(server, host, port)).run()
