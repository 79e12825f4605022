"""Running a server in a thread, and what a client sends it."""

from __future__ import annotations

import io
import threading
import time
from contextlib import contextmanager

import uvicorn

from asr.serving.app import Server
from asr.serving.run import configuration


@contextmanager
def running(models, **options):
    """Serve in a thread; gives the server and its address once the models are loaded."""
    server = Server(models, **options)
    process = uvicorn.Server(configuration(server, "127.0.0.1", 0))
    thread = threading.Thread(target=process.run, daemon=True)
    thread.start()
    while not process.started:
        time.sleep(0.01)
    address = f"127.0.0.1:{process.servers[0].sockets[0].getsockname()[1]}"
    for _ in range(600):
        if server.models.ready or server.models.failure:
            break
        time.sleep(0.05)
    try:
        yield server, address
    finally:
        process.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def upload(content: bytes, name: str = "a.wav"):
    """The form's file."""
    return {"file": (name, io.BytesIO(content), "audio/wav")}
