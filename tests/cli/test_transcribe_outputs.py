"""`asr transcribe`: formats, channels, spans, raw samples; what is written, what is left and what is refused."""

import io
import json
import logging
import wave as wave_files

import numpy as np
import pytest
import soundfile
from tests_model import RATE, sounds

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.cli.whisper import plain_flags
from asr.scoring.reading.readers import read_transcripts
from asr.transcribing.writers.formats import FORMATS, suffix


@pytest.fixture
def recording(tmp_path):
    write_audio(tmp_path / "my take.wav", sounds(1, seed=9)[0], RATE)
    return tmp_path / "my take.wav"


@pytest.fixture
def stereo(tmp_path):
    """Two channels with different words, and each channel in a file of its own."""
    left, right = (np.resize(sound, RATE) for sound in sounds(2, seed=11))
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), RATE)
    soundfile.write(tmp_path / "left.wav", left, RATE)
    soundfile.write(tmp_path / "right.wav", right, RATE)
    return tmp_path


def transcribe(model, *arguments):
    return run(["transcribe", *map(str, arguments), "--model", str(model), "--device", "cpu"])


def test_all_formats_lie_side_by_side(model_folder, recording, tmp_path):
    out = tmp_path / "out"
    assert transcribe(model_folder, recording, "-f", "all", "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(f"my take{suffix(format)}" for format in FORMATS)


def test_a_file_on_standard_output_is_the_file_in_a_folder(model_folder, recording, tmp_path, capsys):
    assert transcribe(model_folder, recording, "-f", "txt,srt,vtt,ctm,csv", "-o", tmp_path / "out") == 0
    for format in ("txt", "srt", "vtt", "ctm", "csv"):
        capsys.readouterr()
        assert transcribe(model_folder, recording, "-f", format) == 0
        assert capsys.readouterr().out == (tmp_path / "out" / f"my take.{format}").read_text()


@pytest.mark.parametrize("format", ["ctm", "stm", "json"])
def test_the_scorer_reads_what_is_written(model_folder, recording, tmp_path, format, capsys):
    out = tmp_path / "out"
    assert transcribe(model_folder, recording, "-f", "txt," + format, "-o", out) == 0
    if format == "json":  # a line a recording is JSONL
        assert transcribe(model_folder, recording, "-f", "json") == 0
        (out / "my take.json").write_text(capsys.readouterr().out)
    read = read_transcripts(out / f"my take.{format}", "hyp", "jsonl" if format == "json" else None)
    assert " ".join(read.texts.values()).split() == (out / "my take.txt").read_text().split()


def test_subtitles_take_whispers_options(model_folder, recording, tmp_path):
    options = ["--max_words_per_line", "1", "--word_timestamps", "True", "--highlight_words", "False"]
    assert transcribe(model_folder, recording, "-f", "srt,json", "-o", tmp_path / "out", *options) == 0
    words = json.loads((tmp_path / "out" / "my take.json").read_text())["text"].split()
    blocks = (tmp_path / "out" / "my take.srt").read_text().split("\n\n")[:-1]
    assert [block.split("\n")[2] for block in blocks] == words


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--word-timestamps", "True", "a.wav"], ["--word-timestamps", "a.wav"]),
        (["--word-timestamps", "False"], ["--no-word-timestamps"]),
        (["--highlight-words=True"], ["--highlight-words"]),
        (["--word-timestamps", "a.wav", "True"], ["--word-timestamps", "a.wav", "True"]),
        (["--", "--word-timestamps", "False"], ["--", "--word-timestamps", "False"]),
    ],
)
def test_yes_and_no_as_whisper_takes_them(given, meant):
    assert plain_flags(given) == meant


def test_words_may_be_left_out_of_json(model_folder, recording, capsys):
    assert transcribe(model_folder, recording, "-f", "json", "--no-word-timestamps") == 0
    assert "words" not in json.loads(capsys.readouterr().out)["segments"][0]


def test_pauses_and_lengths_of_segments_are_settings(model_folder, recording, capsys):
    assert transcribe(model_folder, recording, "-f", "json", "--longest-segment", "0.1") == 0
    spoken = json.loads(capsys.readouterr().out)
    assert [segment["text"] for segment in spoken["segments"]] == spoken["text"].split()


def test_each_channel_by_itself_and_one_timeline(model_folder, stereo, tmp_path, capsys):
    assert (
        transcribe(model_folder, stereo / "call.wav", "-f", "json,ctm", "--channels", "split", "-o", tmp_path / "o")
        == 0
    )
    names = [f"call{part}.{format}" for part in ("", ".channel0", ".channel1") for format in ("ctm", "json")]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == sorted(names)
    merged = json.loads((tmp_path / "o" / "call.json").read_text())
    for number, name in enumerate(("left", "right")):
        capsys.readouterr()
        assert transcribe(model_folder, stereo / f"{name}.wav") == 0
        alone = capsys.readouterr().out.strip()
        assert json.loads((tmp_path / "o" / f"call.channel{number}.json").read_text())["text"] == alone
        own = [s["text"] for s in merged["segments"] if s["speaker"] == f"channel {number}"]
        assert " ".join(own) == alone
    assert [s["start"] for s in merged["segments"]] == sorted(s["start"] for s in merged["segments"])


def test_a_span_is_timed_in_the_recording(model_folder, stereo, tmp_path, capsys):
    samples, _ = soundfile.read(stereo / "left.wav", dtype="float32")
    soundfile.write(tmp_path / "part.wav", samples[RATE // 4 : RATE * 3 // 4], RATE)
    assert transcribe(model_folder, tmp_path / "part.wav", "-f", "json") == 0
    part = json.loads(capsys.readouterr().out)
    assert transcribe(model_folder, stereo / "left.wav", "-f", "json", "--start", "0.25", "--end", "0.75") == 0
    span = json.loads(capsys.readouterr().out)
    assert span["text"] == part["text"] != ""
    times = [[word["start"] for segment in one["segments"] for word in segment["words"]] for one in (part, span)]
    assert [round(time + 0.25, 3) for time in times[0]] == times[1]


@pytest.mark.parametrize("piped", [False, True])
def test_raw_samples(model_folder, stereo, tmp_path, piped, monkeypatch, capsys):
    assert transcribe(model_folder, stereo / "left.wav") == 0
    with_header = capsys.readouterr().out
    with wave_files.open(str(stereo / "left.wav")) as sound:
        content = sound.readframes(sound.getnframes())
    (tmp_path / "left.raw").write_bytes(content)
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": io.BytesIO(content)}))
    assert transcribe(model_folder, "-" if piped else tmp_path / "left.raw", "--raw", RATE) == 0
    assert capsys.readouterr().out == with_header


def test_half_a_sample_at_the_end_is_told(model_folder, tmp_path, capsys):
    (tmp_path / "odd.raw").write_bytes(bytes(1001))
    assert transcribe(model_folder, tmp_path / "odd.raw", "--raw", RATE) == 0
    assert "odd.raw: ends with half a sample" in capsys.readouterr().err


def test_what_has_its_results_is_left_out(model_folder, stereo, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "left.txt").write_text("mine")
    (out / "right.srt").write_text("not this format")
    assert transcribe(model_folder, stereo, "-o", out, "--skip-existing") == 0
    assert (out / "left.txt").read_text() == "mine"
    assert (out / "right.txt").exists()
    assert "skipped 1 recordings whose results are there" in capsys.readouterr().err


def test_one_result_that_cannot_be_written_does_not_stop_the_rest(model_folder, stereo, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "left.txt").mkdir(parents=True)
    assert transcribe(model_folder, stereo, "-o", out) == 1
    assert {path.name for path in out.iterdir()} == {"call.txt", "left.txt", "right.txt"}
    log = capsys.readouterr().err
    assert "left.wav: cannot be written" in log
    assert "1 of 3 recordings failed" in log


@pytest.mark.parametrize("place", [0, 2])
def test_more_log_wherever_it_is_asked_for(model_folder, recording, place, capsys):
    arguments = ["transcribe", str(recording), "--model", str(model_folder), "--device", "cpu"]
    arguments.insert(place, "--verbose")
    assert run(arguments) == 0
    assert logging.getLogger().level == logging.DEBUG


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "txt,srt"], "asks for several files; give a folder"),
        (["-f", "srt"], "does not tell several recordings apart"),
        (["--skip-existing"], "has no effect on standard output"),
        (["--highlight-words", "--no-word-timestamps"], "needs the times of words"),
        (["--channels", "left"], "'left' is no channel; use mix, split or a number from 0"),
        (["--start", "-1"], "is before the recording"),
        (["--start", "2", "--end", "1"], "is not after --start"),
        (["--raw", "8000", "--channels", "split"], "has no effect with --raw"),
        (["--max-line-count", "2"], "has no effect without --max-line-width"),
        ([""], "is empty"),
    ],
)
def test_refused_before_anything_is_transcribed(model_folder, stereo, arguments, message, capsys):
    assert transcribe(model_folder, stereo, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err


def test_a_recording_is_never_overwritten(model_folder, tmp_path, capsys):
    soundfile.write(tmp_path / "take.txt", np.zeros(RATE), RATE, format="WAV")
    before = (tmp_path / "take.txt").read_bytes()
    assert transcribe(model_folder, tmp_path / "take.txt", "-o", tmp_path) == 2
    assert "is a recording and would be overwritten" in capsys.readouterr().err
    assert (tmp_path / "take.txt").read_bytes() == before


def test_results_do_not_go_into_a_file(model_folder, recording, capsys):
    assert transcribe(model_folder, recording, "-o", recording) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_a_folder_says_what_it_passed_over(model_folder, stereo, capsys):
    (stereo / "notes.doc").write_text("?")
    (stereo / "._left.wav").write_text("?")
    assert transcribe(model_folder, stereo) == 0
    assert "passed over 2 files that are hidden or no audio: ._left.wav, notes.doc" in capsys.readouterr().err


def test_a_grammar_allows_its_phrases_alone(model_folder, recording, tmp_path, capsys):
    (tmp_path / "phrases.txt").write_text("ab cd\ndd\n")
    assert transcribe(model_folder, recording, "--grammar", tmp_path / "phrases.txt", "-f", "json") == 0
    spoken = json.loads(capsys.readouterr().out)["text"]
    rest = spoken.replace("ab cd", "").replace("dd", "")
    assert rest.strip() == ""
    assert transcribe(model_folder, recording, "--grammar", tmp_path / "phrases.txt", "--beam-size", "8") == 2
    assert "--beam-size: has no effect beside --grammar" in capsys.readouterr().err
