"""Many files at once: the good ones are written, the bad ones named, and the exit code tells."""

import io
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests_model import RATE, sounds, write_model

from asr.__main__ import run
from asr.audio.reading import encode_audio, write_audio
from asr.errors import DecodingError, UsageError
from asr.transcribing.inputs import find_recordings
from asr.transcribing.outputs import Outputs
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.recordings import transcribe_recordings


def test_a_lone_recording_prints_its_bare_text(model_folder, recordings, recognizer, capsys):
    assert run(["transcribe", str(recordings / "a.wav"), "--model", str(model_folder), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == recognizer.transcribe(recordings / "a.wav").text + "\n"


def test_folders_are_searched_and_their_shape_is_kept(model_folder, recordings, recognizer, tmp_path):
    out = tmp_path / "out"
    assert run(["transcribe", str(recordings), "--model", str(model_folder), "-o", str(out), "-f", "json"]) == 0
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.json"))
    assert written == ["a.json", "b.json", "c.json", "deep/a.json"]
    content = json.loads((out / "deep/a.json").read_text())
    assert content == json.loads(json.dumps(recognizer.transcribe(recordings / "deep/a.wav").as_dict()))
    assert content["segments"][0]["words"][0].keys() == {"word", "start", "end", "probability"}


@pytest.mark.parametrize("batch_size", ["1", "3"])
def test_one_bad_file_does_not_lose_the_others(model_folder, recordings, tmp_path, batch_size, capsys):
    (recordings / "b.wav").write_bytes(b"RIFF this is no audio")
    out = tmp_path / "out"
    arguments = ["transcribe", str(recordings), "nowhere.wav", "--model", str(model_folder), "-o", str(out)]
    assert run([*arguments, "--batch-size", batch_size]) == 1
    assert sorted(path.name for path in out.rglob("*.txt")) == ["a.txt", "a.txt", "c.txt"]
    log = capsys.readouterr().err
    assert "b.wav" in log
    assert "nowhere.wav: does not exist" in log
    assert "2 of 5 recordings failed" in log


class Fussy:
    """A decoder that cannot decode one length of recording."""

    def __init__(self, decoder, refused):
        self.decoder, self.refused = decoder, refused

    def decode(self, log_probs):
        if len(log_probs) == self.refused:
            raise DecodingError("frame 3", "leaves no reading with a probability above 0", "widen the beam")
        return self.decoder.decode(log_probs)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_one_that_cannot_be_decoded_does_not_lose_the_others(recognizer, recordings, tmp_path, batch_size, caplog):
    (refused,) = recognizer.log_probs([recognizer.samples(recordings / "b.wav")])
    fussy = Recognizer(recognizer.trained, Fussy(recognizer.decoder, len(refused)))
    inputs, out = find_recordings([recordings]), tmp_path / "out"
    assert transcribe_recordings(fussy, inputs, Outputs(folder=out), batch_size=batch_size) == 1
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.txt")) == ["a.txt", "c.txt", "deep/a.txt"]
    assert "b.wav: frame 3: leaves no reading" in caplog.text
    assert "1 of 4 recordings failed" in caplog.text
    assert (out / "c.txt").read_text().strip() == recognizer.transcribe(recordings / "c.wav").text


def test_a_model_that_says_nan_fails_every_recording_by_name(recordings, tmp_path, capsys):
    folder = write_model(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "output.bias": weights["output.bias"] * torch.nan}, folder / "model.safetensors")
    (folder / "model.onnx").unlink()  # built again from the weights
    assert run(["transcribe", str(recordings), "--model", str(folder), "--batch-size", "4"]) == 1
    log = capsys.readouterr().err
    assert log.count("log-probabilities: frame 0 is NaN") == 4
    assert "4 of 4 recordings failed" in log


def test_standard_input(model_folder, recognizer, monkeypatch, capsys):
    wave = sounds(1)[0]

    class Stdin:
        buffer = io.BytesIO(encode_audio(wave, RATE, "WAV"))

    monkeypatch.setattr("sys.stdin", Stdin)
    assert run(["transcribe", "-", "--model", str(model_folder)]) == 0
    assert capsys.readouterr().out.strip() == recognizer.transcribe((wave * 32768).round() / 32768).text


def test_endless_standard_input_is_refused(model_folder, monkeypatch, capsys):
    class Stdin:
        buffer = io.BytesIO(bytes(3000))

    monkeypatch.setattr("sys.stdin", Stdin)
    monkeypatch.setattr("asr.transcribing.inputs.MOST_STDIN_BYTES", 2000)
    assert run(["transcribe", "-", "--model", str(model_folder)]) == 1
    assert "standard input: is over 1 GiB" in capsys.readouterr().err


def test_several_recordings_are_told_apart_on_stdout(recognizer, recordings, capsys):
    transcribe_recordings(recognizer, find_recordings([recordings / "a.wav", recordings / "b.wav"]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(recordings / "a.wav"), str(recordings / "b.wav")]


def test_json_on_stdout_is_one_object_a_line(recognizer, recordings, capsys):
    transcribe_recordings(recognizer, find_recordings([recordings]), Outputs(["json"]))
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["audio"].endswith(".wav") for entry in objects] == [True] * 4


def outputs(inputs):
    return [str(recording.output) for recording in find_recordings(inputs)]


def test_two_recordings_never_share_an_output_file(tmp_path):
    """The suffix tells them apart, and the folder where that does not; one name alone stays as it is."""
    for name in ("a/x.wav", "a/x.flac", "a/y.wav", "b/x.wav", "b/deep/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    a, b = tmp_path / "a", tmp_path / "b"
    assert outputs([a]) == ["x.flac", "x.wav", "y"]
    assert outputs([a / "x.wav", b / "x.wav"]) == ["a/x.wav", "b/x.wav"]
    assert outputs([a / "x.wav", a / "x.flac"]) == ["x.wav", "x.flac"]
    assert outputs([b, a / "y.wav"]) == ["deep/x", "x", "y"]
    assert outputs([a / "y.wav", a / "y.wav"]) == ["y", "y"]


def test_what_cannot_be_told_apart_is_refused(recognizer, tmp_path):
    for name in ("1/a/x.wav", "2/a/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    inputs = find_recordings([tmp_path / "1/a/x.wav", tmp_path / "2/a/x.wav"])
    with pytest.raises(UsageError, match="would overwrite the transcript of"):
        transcribe_recordings(recognizer, inputs, Outputs(folder=tmp_path / "out"))


def test_a_folder_that_cannot_be_read_fails_by_name_and_the_rest_goes_on(recognizer, recordings, monkeypatch, caplog):
    listing = type(recordings).iterdir

    def refusing(self):
        if self.name == "deep":
            raise PermissionError(13, "Permission denied", str(self))
        return listing(self)

    monkeypatch.setattr(type(recordings), "iterdir", refusing)
    assert transcribe_recordings(recognizer, find_recordings([recordings])) == 1
    assert "deep: is a folder that cannot be read (Permission denied)" in caplog.text


@pytest.mark.parametrize("inputs", [["-", "-"], ["a.wav", "-", "b.wav", "-"]])
def test_standard_input_is_read_once(inputs):
    with pytest.raises(UsageError, match="can be read once"):
        find_recordings(inputs)


def test_a_folder_without_audio_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no audio")
    with pytest.raises(UsageError, match="holds no audio files"):
        find_recordings([tmp_path])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-f", "pdf"], 2, "'pdf' is not a format"),
        (["--beam-size", "-1"], 2, "beam-size"),
        (["--device", "abacus"], 2, "'abacus' is not a device"),
        (["--no-such-flag"], 2, "no-such-flag"),
    ],
)
def test_options_out_of_range(model_folder, recordings, arguments, code, message, capsys):
    assert run(["transcribe", str(recordings), "--model", str(model_folder), *arguments]) == code
    assert message in capsys.readouterr().err.lower().replace("no_", "no-")


def test_a_wrong_model_folder_is_one_line(recordings, tmp_path, capsys):
    assert run(["transcribe", str(recordings), "--model", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "has no model.safetensors; give the 'model' folder of an experiment" in error


def test_underscores_pass_for_hyphens(model_folder, recordings, capsys):
    assert run(["transcribe", str(recordings), "--model", str(model_folder), "--output_format", "txt"]) == 0


def test_a_full_disk_is_one_line_and_keeps_what_was_written(model_folder, recordings, tmp_path, monkeypatch, capsys):
    import asr.files

    real, calls = asr.files.os.fsync, []

    def full_at_the_second(descriptor):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device", "b.txt")
        real(descriptor)

    monkeypatch.setattr("asr.files.os.fsync", full_at_the_second)
    assert run(["transcribe", str(recordings), "--model", str(model_folder), "-o", str(tmp_path / "out")]) == 1
    assert "no space left on the device; free some and run the command again" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.txt"]


def test_mixed_rates_are_resampled(recognizer, tmp_path):
    wave = sounds(1)[0]
    write_audio(tmp_path / "fast.wav", wave, 16000)
    assert recognizer.transcribe(tmp_path / "fast.wav").duration == pytest.approx(len(wave) / 16000, abs=1e-3)
