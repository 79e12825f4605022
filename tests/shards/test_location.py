"""Folders and URLs read in ranges: an HTTP server on this machine that breaks connections, and fsspec's own memory."""

import http.server
import os
import pickle
import re
import threading

import numpy as np
import pytest
from tests_shards import UNITS, shard_config, write_numbered

from asr.batches.streamed import open_stream
from asr.errors import CorpusError, MissingExtraError, UsageError
from asr.shards import location as location_module
from asr.shards.checking import check_shards
from asr.shards.index import ShardIndex
from asr.shards.location import Location

CONTENT = np.random.default_rng(1).bytes(100_000)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ranges of a folder's files; `faults` says how many more answers go wrong, and how."""

    faults: list
    asked: list
    folder = None
    ranges = True

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted and self.ranges:
            begin, end = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            data = data[begin:end]
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not body:
            return
        self.asked.append((self.path, len(data)))
        if self.faults and self.faults.pop() == "break":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(location_module, "FIRST_PAUSE", 0.001)

    class Here(Server):
        faults, asked, folder = [], [], tmp_path

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Here)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    Here.address = f"http://127.0.0.1:{web.server_address[1]}"
    yield Here
    web.shutdown()
    web.server_close()


@pytest.fixture
def memory():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/bucket", recursive=True)


def test_a_local_folder_needs_no_fsspec(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    (tmp_path / "a").write_bytes(CONTENT)
    here = Location(tmp_path)
    assert here.read("a") == CONTENT
    assert b"".join(here.ranges("a", 10, 99_990)) == CONTENT[10:99_990]
    assert here.size("a") == len(CONTENT)
    assert here.fetch("a") == tmp_path / "a"
    with here.stream("a") as stream:
        assert stream.read() == CONTENT
    with pytest.raises(MissingExtraError, match=r"pip install 'asr\[remote\]'"):
        Location("https://example.org/shards")


@pytest.mark.parametrize("address", ["nosuch://bucket/x"])
def test_a_scheme_that_nobody_serves_is_a_usage_error(address):
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="nosuch://bucket/x: cannot be opened"):
        Location(address)


def test_missing_files_and_short_files_are_named(tmp_path, server):
    (tmp_path / "a").write_bytes(CONTENT)
    for place in (Location(tmp_path), Location(server.address)):
        with pytest.raises(CorpusError, match=r"/b: does not exist; write the shards with 'asr shard'"):
            place.read("b")
    with pytest.raises(CorpusError, match=r"a: ends at byte 100000, where byte 100001 is expected"):
        list(Location(tmp_path).ranges("a", 0, 100_001))
    if os.getuid():
        (tmp_path / "a").chmod(0)
        with pytest.raises(CorpusError, match="cannot be read"):
            Location(tmp_path).read("a")


def test_ranges_come_in_bounded_pieces(tmp_path, server, monkeypatch):
    monkeypatch.setattr(location_module, "RANGE", 30_000)
    (tmp_path / "a").write_bytes(CONTENT)
    for place in (Location(tmp_path), Location(server.address)):
        pieces = list(place.ranges("a", 5, 95_000))
        assert [len(piece) for piece in pieces] == [30_000, 30_000, 30_000, 4_995]
        assert b"".join(pieces) == CONTENT[5:95_000]
    assert [size for _, size in server.asked] == [30_000, 30_000, 30_000, 4_995]


def test_a_broken_connection_costs_one_range_and_not_the_file(tmp_path, server, monkeypatch, caplog):
    monkeypatch.setattr(location_module, "RANGE", 30_000)
    (tmp_path / "a").write_bytes(CONTENT)
    server.faults[:] = ["break", "fine", "break", "fine"]  # taken from the end
    with Location(server.address).stream("a") as stream:
        assert stream.read() == CONTENT
    assert sum(size for _, size in server.asked) == len(CONTENT) + 2 * 30_000
    assert caplog.text.count("attempt 2 of 5") == 2


def test_a_connection_that_always_breaks_is_given_up_with_the_reason(tmp_path, server):
    (tmp_path / "a").write_bytes(CONTENT)
    server.faults[:] = ["break"] * 100
    with pytest.raises(CorpusError, match=r"/a: cannot be read after 5 attempts \(.*\); check the connection"):
        Location(server.address).read("a")
    assert len(server.asked) == 5


def test_a_server_without_ranges_is_refused_rather_than_believed(tmp_path, server):
    (tmp_path / "a").write_bytes(CONTENT)
    server.ranges = False
    with pytest.raises(CorpusError, match="100000 bytes came where bytes 10 to 20 were asked for"):
        list(Location(server.address).ranges("a", 10, 20))


def test_a_fetched_copy_goes_with_its_location(tmp_path, server):
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "b").write_bytes(b"b")
    there = Location(server.address)
    copy, folder = there.fetch("a"), there.copies(["b", "c"])
    assert copy.read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["b"]
    pickle.loads(pickle.dumps(there))  # what goes to a worker must not take the copy with it
    assert copy.exists()
    del there
    assert not copy.exists()
    assert not folder.exists()


def test_training_reads_the_same_over_http_as_from_disk(tmp_path, server):
    write_numbered(tmp_path, [6, 9, 4])
    local = open_stream(tmp_path, UNITS, shard_config())
    expected = [batch.ids for batch in local.batches(local.plan(1).batches, 1)]
    server.faults[:] = ["break", "fine", "fine", "break"]
    remote = open_stream(server.address, UNITS, shard_config())
    assert [batch.ids for batch in remote.batches(remote.plan(1).batches, 1)] == expected
    assert remote.identity() == local.identity()


def test_worker_processes_open_connections_of_their_own(tmp_path, server):
    write_numbered(tmp_path, [6, 9, 4])
    local = open_stream(tmp_path, UNITS, shard_config())
    expected = [batch.ids for batch in local.batches(local.plan(1).batches, 1)]
    remote = open_stream(server.address, UNITS, shard_config(training={"workers": 2}))
    assert [batch.ids for batch in remote.batches(remote.plan(1).batches, 1)] == expected


def test_shards_in_an_object_store_are_verified_and_read(tmp_path, memory):
    write_numbered(tmp_path, [6, 9])
    memory.put(str(tmp_path) + "/", "/bucket/set", recursive=True)
    assert list(check_shards("memory://bucket/set")) == []
    index = ShardIndex.open("memory://bucket/set/")
    examples = open_stream("memory://bucket/set", UNITS, shard_config())
    assert sum(len(batch.ids) for batch in examples.batches(examples.plan(0).batches, 0)) == len(index) == 15
    memory.pipe("/bucket/set/shard-000000.tar", memory.cat("/bucket/set/shard-000000.tar")[:3000])
    (fault,) = check_shards("memory://bucket/set")
    assert str(fault).startswith("memory://bucket/set/shard-000000.tar: is cut at byte 3000")
