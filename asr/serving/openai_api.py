"""OpenAI's transcription API: `POST /v1/audio/transcriptions` and `GET /v1/models`.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from asr.audio.reading import audio_info, read_audio
from asr.errors import AsrError, AudioError, UsageError
from asr.serving.guard import error_body
from asr.serving.limits import Limits
from asr.serving.models import Models, ServedModel, phrases_of
from asr.serving.pieces import cut_at_quiet
from asr.serving.scheduler import Job, Scheduler
from asr.transcribing.transcript import Segment, Transcript, joined

LOGGER = logging.getLogger("asr")
ResponseFormat = Literal["json", "text", "verbose_json", "srt", "vtt"]
Granularity = Literal["word", "segment"]
BUSY = 503
GONE = 0.25  # seconds between two looks whether the client is still there


class TooLong(AsrError):
    """A recording over the server's limit."""


@dataclass
class Service:
    """What the routes need.

    Attributes:
        models: see there.
        scheduler: computes.
        limits: see there.
    """

    models: Models
    scheduler: Scheduler
    limits: Limits


def routes(service: Service) -> APIRouter:
    """The API's two paths."""
    router = APIRouter()

    @router.get("/v1/models", tags=["openai"])
    async def models() -> dict[str, Any]:
        """The models of this server."""
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "asr"} for name in service.models.directories
        ]
        return {"object": "list", "data": listed}

    @router.get("/v1/models/{name}", tags=["openai"])
    async def model(name: str) -> Response:
        """One model."""
        if name not in service.models.directories:
            return JSONResponse(error_body(f"The model '{name}' does not exist", "invalid_request_error",
                                           "model_not_found", "model"), 404)  # fmt: skip
        return JSONResponse({"id": name, "object": "model", "created": 0, "owned_by": "asr"})

    @router.post("/v1/audio/transcriptions", tags=["openai"], response_model=None)
    async def transcriptions(
        request: Request,
        file: Annotated[UploadFile, File(description="The recording, any format.")],
        model: Annotated[str, Form(description="A model of this server; OpenAI's names mean its default one.")] = "",
        language: Annotated[str, Form(description="Accepted; a model knows its own language.")] = "",
        prompt: Annotated[str, Form(description="Phrases to expect, separated by commas.")] = "",
        response_format: Annotated[ResponseFormat, Form()] = "json",
        temperature: Annotated[float, Form(description="Accepted and ignored.", ge=0, le=1)] = 0.0,
        timestamp_granularities: Annotated[
            list[Granularity] | None, Form(alias="timestamp_granularities[]", description="With verbose_json.")
        ] = None,
        stream: Annotated[bool, Form(description="Server-sent events.")] = False,
    ) -> Response:
        """Transcribe a recording."""
        if not service.models.ready:
            body = error_body("the models are still loading; try again", "server_error", "loading")
            return JSONResponse(body, BUSY, {"Retry-After": "2"})
        if timestamp_granularities and response_format != "verbose_json":
            raise UsageError("timestamp_granularities", "needs response_format=verbose_json", "ask for that")
        work = _Work(service, service.models.get(model), phrases_of(prompt))
        samples = await work.read(file)
        if stream:
            return StreamingResponse(work.events(samples), media_type="text/event-stream")
        transcript = await _unless_gone(request, work.whole(samples))
        return _response(transcript, response_format, timestamp_granularities or ["segment"], language)

    return router


class _Work:
    """One recording from its upload to its text."""

    def __init__(self, service: Service, model: ServedModel, phrases: list[str]) -> None:
        self.service, self.model, self.phrases = service, model, phrases

    async def read(self, file: UploadFile) -> np.ndarray:
        """Samples (N,) at the model's rate; refused before decoding where the header says that they are too many.

        Raises:
            AudioError: not audio, or no sound in it.
            TooLong: over the limit.
        """
        rate, most = self.model.recognizer.sample_rate, self.service.limits.audio_seconds

        def decode() -> np.ndarray:
            info = audio_info(file.file)
            if np.isfinite(info.duration) and info.duration > most:
                raise TooLong(
                    "file", f"lasts {info.duration:.0f} s, and at most {most:.0f} are taken", "send it in parts"
                )
            file.file.seek(0)
            return read_audio(file.file, sample_rate=rate, max_seconds=most)

        try:
            return await asyncio.to_thread(decode)
        except AudioError as error:
            raise AudioError("file", error.reason, error.remedy) from None  # never a path of this machine

    async def transcripts(self, samples: np.ndarray) -> AsyncIterator[Transcript]:
        """The pieces' transcripts in the order of time."""
        job: Job = await asyncio.to_thread(self.model.job, self.phrases)
        rate = self.model.recognizer.sample_rate
        spans = await asyncio.to_thread(cut_at_quiet, samples, rate)
        pieces = [(samples[begin:end], begin / rate) for begin, end in spans]
        async with aclosing(self.service.scheduler.transcripts(job, pieces)) as parts:  # type: ignore[type-var]
            async for part in parts:
                yield part

    async def whole(self, samples: np.ndarray) -> Transcript:
        """The recording's transcript."""
        async with aclosing(self.transcripts(samples)) as parts:  # type: ignore[type-var]
            collected = [part async for part in parts]
        return joined(collected, len(samples) / self.model.recognizer.sample_rate)

    async def events(self, samples: np.ndarray) -> AsyncIterator[str]:
        """Server-sent events: a delta a piece, then exactly one that says it is done, or an error."""
        text = ""
        try:
            async with aclosing(self.transcripts(samples)) as parts:  # type: ignore[type-var]
                async for part in parts:
                    if part.text:
                        delta = f" {part.text}" if text else part.text
                        text += delta
                        yield _event({"type": "transcript.text.delta", "delta": delta})
            seconds = len(samples) / self.model.recognizer.sample_rate
            usage = {"type": "duration", "seconds": round(seconds, 3)}
            yield _event({"type": "transcript.text.done", "text": text, "usage": usage})
        except AsrError as error:
            yield _event({"type": "error", **error_body(str(error), "server_error")})


async def _unless_gone(request: Request, work: Any) -> Transcript:
    """Wait for work, and cancel it when the client has gone away."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=GONE)
            if not task.done() and await request.is_disconnected():
                raise asyncio.CancelledError
        return task.result()
    finally:
        if not task.done():
            task.cancel()


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


def _response(
    transcript: Transcript, form: ResponseFormat, granularities: list[Granularity], language: str
) -> Response:
    if form == "text":
        return PlainTextResponse(transcript.text + "\n")
    if form == "srt":
        return PlainTextResponse(transcript.to_srt(), media_type="application/x-subrip")
    if form == "vtt":
        return PlainTextResponse(transcript.to_vtt(), media_type="text/vtt")
    seconds = round(transcript.duration, 3)
    usage = {"type": "duration", "seconds": seconds}
    if form == "json":
        return JSONResponse({"text": transcript.text, "usage": usage})
    body: dict[str, Any] = {
        "task": "transcribe", "language": language or "unknown", "duration": seconds, "text": transcript.text,
        "usage": usage,
    }  # fmt: skip
    if "segment" in granularities:
        body["segments"] = [_segment(segment) for segment in transcript.segments]
    if "word" in granularities:
        body["words"] = [
            {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
            for segment in transcript.segments
            for word in segment.words
        ]
    return JSONResponse(body)


def _segment(segment: Segment) -> dict[str, Any]:
    """OpenAI's segment; what only an attention decoder has is neutral, and the log-probability is our confidence's."""
    confidences = [max(word.confidence, 1e-6) for word in segment.words]
    mean = float(np.log(confidences).mean()) if confidences else 0.0
    return {
        "id": segment.id, "seek": 0, "start": segment.start, "end": segment.end, "text": segment.text, "tokens": [],
        "temperature": 0.0, "avg_logprob": round(mean, 4), "compression_ratio": 1.0, "no_speech_prob": 0.0,
    }  # fmt: skip
