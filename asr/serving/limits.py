"""What the server takes on at most; beyond each limit a request ends with a status code and a message of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server.

    Attributes:
        upload_bytes: of a request's body, counted while it arrives (413).
        audio_seconds: of a recording, read from its header where it says, else while it is decoded (413).
        waiting: requests that wait or are worked on at once (503 with Retry-After).
        connections: HTTP connections and streams open at once (503).
        streams: live streams at once (close code 1013).
        silent_seconds: without a byte of a body or a stream before it is given up (408; close code 1008).
        header_seconds: until the head of a request is there; the connection is closed.
        stream_seconds: of one live stream (close code 1009).
        drain_seconds: that running requests get after SIGTERM.
    """

    upload_bytes: int = 512 * 2**20
    audio_seconds: float = 4 * 3600.0
    waiting: int = 64
    connections: int = 256
    streams: int = 128
    silent_seconds: float = 30.0
    header_seconds: float = 10.0
    stream_seconds: float = 4 * 3600.0
    drain_seconds: float = 30.0
