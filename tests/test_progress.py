"""Progress: plain lines where there is no terminal, and the items as they are."""

import logging

import asr.progress
from asr.progress import track


def test_items_pass_through_and_lines_are_logged(monkeypatch, caplog):
    monkeypatch.setattr(asr.progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level(logging.INFO, logger="asr")
    assert list(track(["a", "b"], "reading")) == ["a", "b"]
    assert [record.message.split(" after")[0] for record in caplog.records] == ["reading: 1 of 2", "reading: 2 of 2"]


def test_streams_without_length_are_counted(monkeypatch, caplog):
    monkeypatch.setattr(asr.progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level(logging.INFO, logger="asr")
    assert list(track(iter("ab"), "reading")) == ["a", "b"]
    assert caplog.records[-1].message.startswith("reading: 2 after")


def test_quick_work_logs_nothing(caplog):
    caplog.set_level(logging.INFO, logger="asr")
    assert list(track(range(3), "reading")) == [0, 1, 2]
    assert not caplog.records
