"""The journal holds each step once after a resume, and the alarm for all-blank output rings once."""

import json

from asr.training.metrics import BlankAlarm, Journal


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_what_a_killed_process_wrote_too_much_is_dropped(tmp_path):
    with Journal(tmp_path, 0, 0) as journal:
        for step in (5, 10, 15):
            journal.write("train", step, loss=1.0 / step)
        journal.write("dev", 10, epoch=1, wer=50.0)
        journal.write("dev", 15, epoch=2, wer=40.0)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"kind": "train", "st')  # cut off by the kill
    with Journal(tmp_path, 10, 1) as journal:
        journal.write("train", 15, loss=0.5)
    assert [(line["kind"], line["step"]) for line in lines(tmp_path)] == [
        ("train", 5), ("train", 10), ("dev", 10), ("train", 15),
    ]  # fmt: skip
    assert lines(tmp_path)[-1]["loss"] == 0.5


def test_an_epoch_judged_at_the_resumed_step_is_not_there_twice(tmp_path):
    with Journal(tmp_path, 0, 0) as journal:
        journal.write("dev", 10, epoch=1, wer=50.0)
    with Journal(tmp_path, 10, 0) as journal:  # saved before the dev set was decoded
        journal.write("dev", 10, epoch=1, wer=50.0)
    assert len(lines(tmp_path)) == 1


def test_the_alarm_rings_once_with_likely_causes(caplog):
    alarm = BlankAlarm(patience=3)
    assert [alarm.observe(rate) for rate in (1.0, 1.0, 1.0, 1.0, 1.0)] == [False, False, True, False, False]
    assert caplog.text.count("nothing but blanks for 3 updates") == 1
    for cause in ("learning_rate", "first_epoch", "layer_norm", "shortest_first_epochs", "time_reduction"):
        assert cause in caplog.text


def test_one_word_resets_the_alarm():
    alarm = BlankAlarm(patience=3)
    assert not any(alarm.observe(rate) for rate in (1.0, 1.0, 0.9, 1.0, 1.0))
