"""The feature store: what goes in comes out, and what was not finished or was damaged is never taken for whole."""

import json
import pickle
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from asr.config.sections import FeatureConfig
from asr.errors import FeatureError
from asr.features.store import COMPLETE, FEATURES, IDS, INDEX, FeatureStore, FeatureStoreWriter, read_marker

CONFIG = FeatureConfig(mel_bins=4)


def matrices(count: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {f"utt{i}": random.normal(10, 5, (3 * i, 4)).astype(np.float32) for i in range(count)}


def write(directory, content, dtype="float32", config=CONFIG):
    with FeatureStoreWriter(directory, 4, dtype, config) as writer:
        for id, matrix in content.items():
            writer.append(id, matrix)
        writer.notes["made_by"] = "test"


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_goes_in_comes_out(tmp_path, dtype):
    content = matrices()  # utt0 has no frames
    write(tmp_path, content, dtype)
    store = FeatureStore.open(tmp_path)
    assert list(store) == list(content) and len(store) == 5
    assert (store.bins, store.config, store.notes) == (4, CONFIG, {"made_by": "test"})
    assert "utt3" in store and "utt9" not in store
    for id, matrix in content.items():
        assert store[id].dtype == np.float32
        assert store.frames(id) == len(matrix) == len(store[id])
        np.testing.assert_array_equal(store[id], matrix.astype(dtype).astype(np.float32))


def test_what_is_read_is_a_copy(tmp_path):
    write(tmp_path, matrices())
    store = FeatureStore.open(tmp_path)
    store["utt4"][:] = 0.0
    np.testing.assert_array_equal(store["utt4"], matrices()["utt4"])


def test_order_of_reading_does_not_matter(tmp_path):
    write(tmp_path, matrices())
    store = FeatureStore.open(tmp_path)
    backwards = {id: store[id] for id in reversed(list(store))}
    for id, matrix in matrices().items():
        np.testing.assert_array_equal(backwards[id], matrix)


def test_a_store_without_utterances_is_whole(tmp_path):
    write(tmp_path, {})
    assert len(FeatureStore.open(tmp_path)) == 0


def test_opening_maps_nothing_and_a_mapped_store_can_be_pickled(tmp_path):
    write(tmp_path, matrices())
    store = FeatureStore.open(tmp_path)
    assert store._rows is None
    store["utt2"]
    sent = pickle.dumps(store)
    assert len(sent) < 5000
    np.testing.assert_array_equal(pickle.loads(sent)["utt2"], matrices()["utt2"])


def test_unknown_utterance_is_named(tmp_path):
    write(tmp_path, matrices())
    store = FeatureStore.open(tmp_path)
    for read in (store.__getitem__, store.frames):
        with pytest.raises(FeatureError, match="nobody"):
            read("nobody")


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (np.zeros((3, 5), np.float32), "shape"),
        (np.zeros(4, np.float32), "shape"),
        (np.full((3, 4), np.nan, np.float32), "not finite"),
        (np.full((3, 4), 1e6, np.float32), "not finite as float16"),
    ],
)
def test_wrong_matrices_are_refused_and_leave_no_store(tmp_path, matrix, reason):
    with pytest.raises(FeatureError, match=f"bad: .*{reason}"):
        write(tmp_path, {**matrices(), "bad": matrix}, "float16")
    assert list(tmp_path.iterdir()) == []


def test_doubled_ids_are_refused(tmp_path):
    with (
        pytest.raises(FeatureError, match="already"),
        FeatureStoreWriter(tmp_path, 4, "float32", CONFIG) as writer,
    ):
        writer.append("utt1", matrices()["utt1"])
        writer.append("utt1", matrices()["utt1"])


def test_appending_outside_the_block_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="with block"):
        FeatureStoreWriter(tmp_path, 4, "float32", CONFIG).append("utt1", matrices()["utt1"])


def test_rewriting_leaves_a_mapped_reader_undisturbed(tmp_path):
    write(tmp_path, matrices())
    reader = FeatureStore.open(tmp_path)
    reader["utt1"]
    write(tmp_path, {"other": np.zeros((2, 4), np.float32)})
    np.testing.assert_array_equal(reader["utt4"], matrices()["utt4"])
    assert list(FeatureStore.open(tmp_path)) == ["other"]


def test_no_store_says_what_to_do(tmp_path):
    with pytest.raises(FeatureError, match="asr features"):
        FeatureStore.open(tmp_path / "nothing")


def damage(path, change):
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content))


@pytest.mark.parametrize("name", [FEATURES, IDS, INDEX, COMPLETE])
@pytest.mark.parametrize("how", ["cut", "empty", "missing", "longer"])
def test_damaged_files_are_feature_errors(tmp_path, name, how):
    write(tmp_path, matrices())
    path = tmp_path / name
    if how == "missing":
        path.unlink()
    else:
        damage(path, {"cut": lambda b: b[:-7], "empty": lambda b: b"", "longer": lambda b: b + b"{}"}[how])
    with pytest.raises(FeatureError, match=r"asr features"):
        FeatureStore.open(tmp_path)


def test_a_flipped_bit_is_found_when_the_utterance_is_read(tmp_path):
    write(tmp_path, matrices())

    def flip(content: bytearray) -> bytearray:
        content[-1] ^= 1
        return content

    damage(tmp_path / FEATURES, flip)
    store = FeatureStore.open(tmp_path)
    np.testing.assert_array_equal(store["utt3"], matrices()["utt3"])
    with pytest.raises(FeatureError, match=r"utt4: .*corrupt"):
        store["utt4"]


def test_a_store_of_another_format_is_not_read(tmp_path):
    write(tmp_path, matrices())
    marker = json.loads((tmp_path / COMPLETE).read_text())
    (tmp_path / COMPLETE).write_text(json.dumps({**marker, "format": 999}))
    with pytest.raises(FeatureError, match="no complete feature store"):
        FeatureStore.open(tmp_path)


KILLED = textwrap.dedent("""
    import os, signal, sys
    import numpy as np
    from asr.config.sections import FeatureConfig
    from asr.features import store as module

    directory, moment = sys.argv[1], sys.argv[2]

    def killed(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    if moment in ("index.json", "complete.json"):
        original = module._write
        module._write = lambda path, text: killed() if path.name == moment else original(path, text)
    if moment == "index.bin":
        module._save_index = killed
    with module.FeatureStoreWriter(directory, 4, "float32", FeatureConfig(mel_bins=4)) as writer:
        for i in range(100):
            if str(i) == moment:
                killed()
            writer.append(f"new{i}", np.ones((50, 4), np.float32))
""")


@pytest.mark.slow
@pytest.mark.parametrize("before", ["nothing", "a whole store"])
@pytest.mark.parametrize("moment", ["0", "60", "index.bin", "index.json", "complete.json", "never"])
def test_a_killed_writer_leaves_nothing_that_reads_as_whole(tmp_path, before, moment):
    if before == "a whole store":
        write(tmp_path, matrices())
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], check=False, capture_output=True)
    if moment == "never":
        assert done.returncode == 0
        assert len(FeatureStore.open(tmp_path)) == 100
        return
    assert done.returncode == -signal.SIGKILL
    assert read_marker(tmp_path) is None
    with pytest.raises(FeatureError, match="no complete feature store"):
        FeatureStore.open(tmp_path)
    write(tmp_path, matrices())  # and writing again makes it whole
    assert len(FeatureStore.open(tmp_path)) == 5


FULL = textwrap.dedent("""
    import resource, signal, sys
    import numpy as np
    from asr.config.sections import FeatureConfig
    from asr.features.store import FeatureStoreWriter

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        with FeatureStoreWriter(sys.argv[1], 4, "float32", FeatureConfig(mel_bins=4)) as writer:
            for i in range(int(sys.argv[2])):
                writer.append(f"new{i}", np.ones((62, 4), np.float32))
    except OSError as error:
        print(error.filename)
""")


@pytest.mark.parametrize("matrices_of_992_bytes", [1000, 102])  # found while appending; found by the last flush
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, matrices_of_992_bytes):
    command = [sys.executable, "-c", FULL, str(tmp_path), str(matrices_of_992_bytes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / FEATURES)
    assert list(tmp_path.iterdir()) == []


def test_a_hundred_thousand_utterances_are_opened_in_little_memory(tmp_path):
    with FeatureStoreWriter(tmp_path, 1, "float16", CONFIG) as writer:
        row = np.zeros((1, 1), np.float16)
        for i in range(100_000):
            writer.append(f"speaker{i % 100}-utterance-{i:06d}", row)
    tracemalloc.start()
    store = FeatureStore.open(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000, "nothing is read that grows with the store"
    assert len(store) == 100_000 and store.frames("speaker99-utterance-099999") == 1
    assert (tmp_path / IDS).stat().st_size < 6_000_000


def test_an_index_of_another_store_is_refused(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, {f"{name}{id}": matrix for id, matrix in matrices().items()})
    (tmp_path / "a" / IDS).write_bytes((tmp_path / "b" / IDS).read_bytes())
    with pytest.raises(FeatureError, match=r"index\.bin.*was changed after it was written"):
        FeatureStore.open(tmp_path / "a")


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
def test_reading_a_whole_store_leaves_little_of_it_in_memory(tmp_path):
    with FeatureStoreWriter(tmp_path, 80, "float16", CONFIG) as writer:
        for number in range(200):
            writer.append(f"utt{number}", np.full((500, 80), number, np.float32))
    store = FeatureStore.open(tmp_path)
    for number in np.random.default_rng(1).permutation(200):
        assert (store[f"utt{number}"] == number).all()
    smaps = Path("/proc/self/smaps").read_text()
    resident = smaps.partition(str(tmp_path / FEATURES))[2].partition("Rss:")[2].split()[0]
    assert int(resident) < 2_000, "of 16,000 KiB"


def test_equal_features_have_equal_checksums_without_reading_them(tmp_path):
    first, second = np.ones((5, 3), np.float32), np.zeros((5, 3), np.float32)
    with FeatureStoreWriter(tmp_path, 3, "float32", FeatureConfig()) as writer:
        for name, matrix in {"a": first, "b": second, "copy": first}.items():
            writer.append(name, matrix)
    (tmp_path / "features.bin").write_bytes(bytes(15 * 4 * 3))  # what lies in the file now does not matter
    store = FeatureStore.open(tmp_path)
    assert store.checksum("a") == store.checksum("copy") != store.checksum("b")
    with pytest.raises(FeatureError, match="is not in the feature store"):
        store.checksum("c")


def test_features_of_other_settings_are_refused_where_settings_are_given(tmp_path):
    with FeatureStoreWriter(tmp_path, 3, "float32", FeatureConfig(preemphasis=0.9)) as writer:
        writer.append("a", np.ones((5, 3), np.float32))
    FeatureStore.open(tmp_path)
    FeatureStore.open(tmp_path, FeatureConfig(preemphasis=0.9, normalisation="none", store_dtype="float16"))
    with pytest.raises(FeatureError, match="was computed with other feature settings; run 'asr features --force'"):
        FeatureStore.open(tmp_path, FeatureConfig())
