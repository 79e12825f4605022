"""The application: models, scheduler, routes and guard put together, and how it starts and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from asr import __version__
from asr.errors import AsrError, AudioError, UsageError
from asr.serving.guard import Guard, error_body
from asr.serving.limits import Limits
from asr.serving.metrics import Metrics
from asr.serving.models import Models
from asr.serving.openai_api import Service, TooLong, routes
from asr.serving.scheduler import Scheduler
from asr.serving.websockets import streams

LOGGER = logging.getLogger("asr")
PAGE = Path(__file__).with_name("page.html")
STATUS = {UsageError: 400, AudioError: 400, TooLong: 413}
# The page is one file; it may talk to this server and to nobody else.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; connect-src 'self' ws: wss:; "
    "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'"
)


class Server:
    """Everything that answers; `guarded` is the ASGI application.

    Args:
        models: name -> model directory.
        limits: see there.
        keys: API keys; none asks for none.
        origins: other web sites whose pages may use this server (CORS); none by default.
        threads: CPU threads of the model.
    """

    def __init__(
        self,
        models: dict[str, Path],
        *,
        limits: Limits | None = None,
        keys: Sequence[str] = (),
        origins: Sequence[str] = (),
        threads: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.models = Models(models, threads)
        self.scheduler = Scheduler(self.metrics)
        self.service = Service(self.models, self.scheduler, self.limits)
        app = FastAPI(title="asr", version=__version__, lifespan=self._lifespan, docs_url=None, redoc_url=None)
        app.include_router(routes(self.service))
        app.include_router(streams(self.service, self.metrics))
        self._add_operations(app)
        _add_errors(app)
        if origins:
            from fastapi.middleware.cors import CORSMiddleware

            app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
        self.guarded = Guard(app, self.limits, self.metrics, keys)

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self.scheduler.start(asyncio.get_running_loop())
        loading = asyncio.create_task(asyncio.to_thread(self.models.load))
        yield
        self.guarded.closing = True
        for _ in range(round(self.limits.drain_seconds / 0.1)):
            if self.guarded.under_way == 0:
                break
            await asyncio.sleep(0.1)
        await asyncio.to_thread(self.scheduler.close)
        await loading

    def _add_operations(self, app: FastAPI) -> None:
        @app.get("/health", tags=["operation"])
        async def health() -> Response:
            """200 where all models are loaded, 503 while they load or where one cannot be."""
            status = "ok" if self.models.ready else self.models.failure or "loading"
            return JSONResponse({"status": status}, 200 if self.models.ready else 503)

        @app.get("/ready", tags=["operation"])
        async def ready() -> Response:
            """200 where another request would be taken now."""
            room = self.models.ready and self.guarded.under_way < self.limits.waiting
            return JSONResponse({"ready": room}, 200 if room else 503)

        @app.get("/metrics", tags=["operation"])
        async def metrics() -> Response:
            """For Prometheus."""
            self.metrics.queue.set(self.guarded.under_way)
            return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

        @app.post("/models/{name}/reload", tags=["operation"])
        async def reload(name: str) -> dict[str, Any]:
            """Load a model's directory again; requests under way keep what they began with."""
            await asyncio.to_thread(self.models.reload, name)
            return {"reloaded": name}

        @app.get("/", include_in_schema=False)
        async def page() -> Response:
            headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
            return FileResponse(PAGE, media_type="text/html; charset=utf-8", headers=headers)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(AsrError)
    async def known(_request: Request, error: AsrError) -> Response:
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 422)
        return JSONResponse(error_body(str(error), "invalid_request_error", param=error.subject), status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = str(first["loc"][-1]) if first["loc"] else None
        body = error_body(f"{field}: {first['msg'][0].lower()}{first['msg'][1:]}", "invalid_request_error", param=field)
        return JSONResponse(body, 400)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        return JSONResponse(error_body(str(error.detail), "invalid_request_error"), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unknown(_request: Request, error: Exception) -> Response:
        LOGGER.error("internal: %s", type(error).__name__, exc_info=error)
        return JSONResponse(error_body("internal error; the server's log has more", "server_error"), 500)
