"""Models go by name; others are fetched from a server, checked and unpacked whole or not at all."""

import hashlib
import http.server
import io
import tarfile
import threading
import types

import pytest
from tests_model import write_model

from asr.__main__ import run
from asr.errors import DownloadError, MissingExtraError, ModelError, UsageError
from asr.transcribing.models import fetch_model, find_model, installed


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Only these: `ASR_MODELS` and the user's folder."""
    monkeypatch.setenv("ASR_MODELS", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    real = __import__("asr.transcribing.models", fromlist=["places"])
    monkeypatch.setattr(real, "places", lambda: [tmp_path / "given", tmp_path / "data" / "asr" / "models"])
    return tmp_path


def make(folder):
    """What tells a model directory, without a network in it."""
    folder.mkdir(parents=True)
    (folder / "units.txt").write_text("#units characters\n<blank>\n")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.yaml").write_text("name: tiny\n")
    (folder / "card.md").write_text("\n# A small model\n\nmore\n")
    return folder


def test_a_name_means_the_first_place_that_has_it(places):
    make(places / "data/asr/models/english")
    make(places / "data/asr/models/german")
    first = make(places / "given/english")
    (places / "given/broken").mkdir()
    assert find_model("english") == first
    assert [(model.name, model.directory.parent.name, model.about) for model in installed()] == [
        ("english", "given", "A small model"), ("german", "models", "A small model"),
    ]  # fmt: skip


def test_a_folder_is_taken_as_it_is(places):
    assert find_model(places) == places
    assert find_model("exp/no/model").as_posix() == "exp/no/model"


def test_without_a_name_the_default_is_taken_and_said(places, caplog):
    make(places / "given/english")
    with caplog.at_level("INFO"):
        assert find_model() == places / "given/english"
    assert "using the model english" in caplog.text


def test_no_such_model(places):
    make(places / "given/german")
    with pytest.raises(ModelError, match=r"french: is neither a folder nor the name of a model; .*german"):
        find_model("french")
    with pytest.raises(UsageError, match=r"--model: is needed: no model named 'english' is here; .*german"):
        find_model()


def test_the_verb_transcribes_with_the_default_model(places, capsys):
    from tests_model import RATE, sounds

    from asr.audio.reading import write_audio

    write_audio(places / "a.wav", sounds(1)[0], RATE)
    assert run(["transcribe", str(places / "a.wav")]) == 2
    assert "no model named 'english' is here" in capsys.readouterr().err
    write_model(places / "given/english")
    assert run(["transcribe", str(places / "a.wav"), "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    assert "using the model english" in printed.err
    assert printed.out.strip()


@pytest.fixture
def server(places):
    """Serves what is put into its dictionary."""
    content = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = content.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_arguments):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield types.SimpleNamespace(content=content, url=f"http://127.0.0.1:{serving.server_port}")
    serving.shutdown()


def archive(folder, inner):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder, inner)
    return packed.getvalue()


@pytest.mark.parametrize("inner", ["tiny", "."])
def test_an_archive_is_fetched_and_goes_by_its_name(places, server, inner, capsys):
    server.content["/tiny.tar.gz"] = body = archive(make(places / "made"), inner)
    sha256 = hashlib.sha256(body).hexdigest()
    assert run(["models", f"{server.url}/tiny.tar.gz", "--sha256", sha256]) == 0
    folder = places / "data/asr/models/tiny"
    assert capsys.readouterr().out.strip() == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.md",
        "config.yaml",
        "model.safetensors",
        "units.txt",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    assert run(["models"]) == 0
    assert capsys.readouterr().out.startswith("tiny\t0.0 MB\t")


def test_what_is_not_what_was_promised_is_not_kept(places, server):
    server.content["/tiny.tar.gz"] = archive(make(places / "made"), "tiny")
    with pytest.raises(DownloadError, match="has sha256"):
        fetch_model(f"{server.url}/tiny.tar.gz", checksum="0" * 64)
    (places / "made" / "units.txt").unlink()
    server.content["/other.tar.gz"] = archive(places / "made", "other")
    with pytest.raises(ModelError, match=r"holds no model: model\.safetensors"):
        fetch_model(f"{server.url}/other.tar.gz")
    with pytest.raises(DownloadError, match="404"):
        fetch_model(f"{server.url}/nowhere.tar.gz")
    kept = places / "data/asr/models"
    assert not kept.exists() or not list(kept.iterdir())


def test_a_model_is_never_overwritten(places, server):
    make(places / "data/asr/models/tiny")
    with pytest.raises(ModelError, match="is there already"):
        fetch_model(f"{server.url}/tiny.tar.gz")


@pytest.mark.parametrize("source", ["tiny", "a/b/c", "/"])
def test_neither_an_address_nor_a_repository(source):
    with pytest.raises(UsageError):
        fetch_model(source)


def test_the_hub_needs_its_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="huggingface-hub: is not installed"):
        fetch_model("owner/name")


def test_the_hub_is_asked_for_a_models_files_only(places, monkeypatch):
    asked = {}

    def snapshot_download(repository, local_dir, allow_patterns):
        asked.update(repository=repository, patterns=allow_patterns)
        for path in make(places / "made").iterdir():
            (local_dir / path.name).write_bytes(path.read_bytes())

    hub = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", hub)
    assert fetch_model("owner/name") == places / "data/asr/models/name"
    assert asked["repository"] == "owner/name"
    assert not any(pattern in ("*", "*.py", "*.bin", "*.pt") for pattern in asked["patterns"])
