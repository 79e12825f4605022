"""Downloads against a local server: resumed, checked, unpacked safely, repeated without harm."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asr.corpus import download as module
from asr.corpus.download import ARCHIVES, Archive, download, download_corpus, find_corpus, obtain, unpack
from asr.errors import CorpusError, DownloadError, UsageError

PAYLOAD = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


class Server:
    """Serves one file, misbehaving as told, and remembers what was asked."""

    def __init__(self) -> None:
        self.content = PAYLOAD
        self.cut_after: list[int] = []  # bytes to send before breaking off, one entry a request
        self.statuses: list[int] = []  # errors to answer with, one entry a request
        self.resumes = True
        self.ranges: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                server.ranges.append(asked)
                if server.statuses:
                    self.send_error(server.statuses.pop(0))
                    return
                begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.resumes else 0
                if begin >= len(server.content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(server.content)}")
                    self.end_headers()
                    return
                body = server.content[begin:]
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.cut_after.pop(0)] if server.cut_after else body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/corpus.tar.gz"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.cut_after = [300_000, 200_000]
    assert download(server.url, tmp_path / "c", f"sha256:{SHA256}") == SHA256
    assert (tmp_path / "c").read_bytes() == PAYLOAD
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "c.sha256"]


def test_a_new_run_goes_on_from_the_part_of_an_old_one(server, tmp_path):
    (tmp_path / "c.part").write_bytes(PAYLOAD[:1000])
    download(server.url, tmp_path / "c", f"sha256:{SHA256}")
    assert server.ranges == ["bytes=1000-"]
    assert (tmp_path / "c").read_bytes() == PAYLOAD


def test_a_part_that_was_complete_is_not_sent_again(server, tmp_path):
    (tmp_path / "c.part").write_bytes(PAYLOAD)
    assert download(server.url, tmp_path / "c") == SHA256


def test_a_part_longer_than_the_file_is_begun_anew(server, tmp_path):
    (tmp_path / "c.part").write_bytes(PAYLOAD + b"rest of another file")
    assert download(server.url, tmp_path / "c") == SHA256


def test_a_server_that_cannot_resume_sends_all(server, tmp_path):
    server.resumes = False
    server.cut_after = [5000]
    assert download(server.url, tmp_path / "c") == SHA256


def test_a_finished_download_is_not_asked_for_again(server, tmp_path):
    for _ in range(2):
        download(server.url, tmp_path / "c", f"sha256:{SHA256}")
    assert len(server.ranges) == 1


def test_a_wrong_checksum_removes_the_file_and_says_so(server, tmp_path):
    with pytest.raises(DownloadError, match=f"has md5 .*, not {'0' * 32}, and was removed"):
        download(server.url, tmp_path / "c", f"md5:{'0' * 32}")
    assert not list(tmp_path.iterdir())


def test_without_a_published_checksum_the_first_download_is_recorded_and_binding(server, tmp_path, caplog):
    download(server.url, tmp_path / "c")
    assert f"trusting this download, SHA-256 {SHA256}" in caplog.text
    assert (tmp_path / "c.sha256").read_text() == f"{SHA256}  c\n"
    (tmp_path / "c").unlink()
    server.content = PAYLOAD[::-1]
    with pytest.raises(DownloadError, match=f"not {SHA256}.*if the publisher changed it, remove .*c.sha256"):
        download(server.url, tmp_path / "c")


def test_a_kept_archive_that_was_damaged_is_found(server, tmp_path):
    download(server.url, tmp_path / "c", f"sha256:{SHA256}")
    (tmp_path / "c").write_bytes(PAYLOAD[:-1])
    with pytest.raises(DownloadError, match="and was removed"):
        download(server.url, tmp_path / "c", f"sha256:{SHA256}")


def test_a_passing_failure_is_tried_again_a_lasting_one_is_told(server, tmp_path):
    server.statuses = [503, 500]
    assert download(server.url, tmp_path / "c") == SHA256
    server.statuses = [404]
    with pytest.raises(DownloadError, match=r"answers 404 .*or put the file at .*/d"):
        download(server.url, tmp_path / "d")
    server.statuses = [503] * module.ATTEMPTS
    with pytest.raises(DownloadError, match=r"cannot be downloaded .*check the network"):
        download(server.url, tmp_path / "d")


def test_no_server_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        download("http://127.0.0.1:9/c", tmp_path / "c")


def tar(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def test_a_corpus_is_downloaded_unpacked_and_counted_once(server, tmp_path, monkeypatch):
    monkeypatch.delenv("ASR_CORPORA", raising=False)
    server.content = tar({"top/wav/a.wav": b"A", "./top/wav/b.wav": b"B", "top/README": b"R"})
    monkeypatch.setitem(ARCHIVES, "an4", {"": Archive(server.url, strip=1, recordings=2)})
    for _ in range(2):
        assert download_corpus("an4", tmp_path) == tmp_path / "an4"
    assert (tmp_path / "an4" / "wav" / "b.wav").read_bytes() == b"B"
    assert len(server.ranges) == 1


def test_a_wrong_number_of_recordings_is_an_error(server, tmp_path):
    server.content = tar({"wav/a.wav": b"A"})
    with pytest.raises(DownloadError, match="unpacks to 1 recordings, not 2"):
        obtain(Archive(server.url, recordings=2), tmp_path)
    with pytest.raises(DownloadError, match="unpacks to 1"):  # and is not taken for complete the next time
        obtain(Archive(server.url, recordings=2), tmp_path)


@pytest.mark.parametrize("name", ["../outside.wav", "a/../../outside.wav", "/tmp/outside.wav"])
def test_members_that_lead_outside_are_refused(tmp_path, name):
    (tmp_path / "c.tar.gz").write_bytes(tar({"good.wav": b"A", name: b"evil"}))
    with pytest.raises(DownloadError, match="leads outside; do not use this archive"):
        unpack(tmp_path / "c.tar.gz", tmp_path / "in")
    assert not (tmp_path / "outside.wav").exists()


def test_links_are_left_out(tmp_path):
    members = {"door": link("door", str(tmp_path)), "door/outside.wav": b"evil"}
    (tmp_path / "c.tar.gz").write_bytes(tar(members))
    unpack(tmp_path / "c.tar.gz", tmp_path / "in")
    assert not (tmp_path / "outside.wav").exists()
    assert (tmp_path / "in" / "door" / "outside.wav").is_file()  # "door" became a plain folder


def test_a_link_that_was_already_there_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "door").symlink_to(tmp_path)
    (tmp_path / "c.tar.gz").write_bytes(tar({"door/outside.wav": b"evil"}))
    with pytest.raises(DownloadError, match="through a link"):
        unpack(tmp_path / "c.tar.gz", tmp_path / "in")
    assert not (tmp_path / "outside.wav").exists()


@pytest.mark.parametrize("content", [b"<html>moved</html>", tar({"a.wav": b"A" * 100_000})[:-40]])
def test_what_is_not_a_whole_archive_is_named(tmp_path, content):
    (tmp_path / "c.tar.gz").write_bytes(content)
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack(tmp_path / "c.tar.gz", tmp_path / "in")


def test_a_corpus_at_hand_is_found_and_not_downloaded(tmp_path, monkeypatch):
    (tmp_path / "corpora" / "an4").mkdir(parents=True)
    monkeypatch.setenv("ASR_CORPORA", str(tmp_path / "corpora"))
    assert find_corpus("an4") == tmp_path / "corpora" / "an4"
    assert download_corpus("an4", tmp_path / "out") == tmp_path / "corpora" / "an4"
    assert find_corpus("an4", tmp_path) == tmp_path  # --corpus comes first
    assert not (tmp_path / "out").exists()


def test_a_corpus_not_at_hand_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CORPORA", str(tmp_path))
    with pytest.raises(CorpusError, match=r"is not in \$ASR_CORPORA .*run 'asr download an4 --out DIR'"):
        find_corpus("an4")
    with pytest.raises(CorpusError, match="does not exist; correct the path given with --corpus"):
        find_corpus("an4", tmp_path / "none")
    monkeypatch.delenv("ASR_CORPORA")
    with pytest.raises(CorpusError, match="is given neither by --corpus nor"):
        find_corpus("kaldi")


def test_unknown_corpora_and_subsets(tmp_path, monkeypatch):
    monkeypatch.delenv("ASR_CORPORA", raising=False)
    with pytest.raises(UsageError, match="choose from an4, fsdd, yesno, librispeech"):
        download_corpus("timit", tmp_path)
    with pytest.raises(UsageError, match="has no subset train-7"):
        download_corpus("librispeech", tmp_path, subsets=["train-7"])


def test_published_checksums_are_well_formed():
    digits = {"sha256": 64, "md5": 32}
    for archives in ARCHIVES.values():
        for archive in archives.values():
            if archive.checksum:
                algorithm, _, value = archive.checksum.partition(":")
                assert len(bytes.fromhex(value)) * 2 == digits[algorithm]
            assert archive.recordings > 0
