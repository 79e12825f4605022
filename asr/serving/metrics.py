"""What the server counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCIES = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)  # seconds
SIZES = (1, 2, 4, 8, 16)
FACTORS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "asr_requests", "Requests by path and status.", ["path", "status"], registry=self.registry
        )
        self.audio = Counter("asr_audio_seconds", "Seconds of audio transcribed.", registry=self.registry)
        self.computing = Counter("asr_computing_seconds", "Seconds spent computing batches.", registry=self.registry)
        self.factor = Histogram("asr_real_time_factor", "Computing time over audio, a batch.",
                                buckets=FACTORS, registry=self.registry)  # fmt: skip
        self.queue = Gauge("asr_requests_under_way", "Requests that wait or are worked on.", registry=self.registry)
        self.streams = Gauge("asr_streams_open", "Live streams.", registry=self.registry)
        self.batches = Histogram("asr_batch_pieces", "Pieces in a batch.", buckets=SIZES, registry=self.registry)
        self.latency = Histogram("asr_request_seconds", "From the head of a request to its last byte.", ["path"],
                                 buckets=LATENCIES, registry=self.registry)  # fmt: skip
        self.message = Histogram("asr_stream_message_seconds", "From a block of a live stream to its answer.",
                                 buckets=LATENCIES, registry=self.registry)  # fmt: skip

    @contextmanager
    def batch(self, seconds: Sequence[float]) -> Iterator[None]:
        """Times a batch of pieces of so many seconds each."""
        started = time.perf_counter()
        yield
        spent = time.perf_counter() - started
        self.batches.observe(len(seconds))
        self.audio.inc(sum(seconds))
        self.computing.inc(spent)
        if sum(seconds) > 0:
            self.factor.observe(spent / sum(seconds))

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)
