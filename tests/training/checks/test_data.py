"""What a training set must not hold is found by id before training starts; errors are what training would refuse."""

import re
from dataclasses import replace

import numpy as np
import pytest
from tests_toy import BINS, speak, toy_config

from asr.batches.examples import Examples
from asr.batches.stored import StoredSource
from asr.config.sections import FeatureConfig, UnitsConfig
from asr.corpus.manifest import Manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import AsrError
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore, FeatureStoreWriter
from asr.training.checks.data import check_targets, count_foreign, level, summarise
from asr.units import build_units

UNITS = build_units(["abcd abcd"], UnitsConfig())
TEXTS = {"one": "ab cd", "two": "abc d", "three": "d cba"}


def utterance(name, text, **changes):
    return Utterance(name, f"{name}.wav", 0.0, 2.0, text=text, speaker=changes.pop("speaker", name), **changes)


class Sets:
    """Training and dev utterances with their features, to be spoilt by a test."""

    def __init__(self, folder):
        self.folder, self.config = folder, toy_config()
        generator = np.random.default_rng(3)
        self.train = [utterance(name, text) for name, text in TEXTS.items()]
        self.dev = [utterance("dev", "dab")]
        self.features = {each.id: speak(each.text, generator) for each in (*self.train, *self.dev)}

    def stores(self):
        stores = []
        for name, utterances in (("train", self.train), ("dev", self.dev)):
            ids = {each.id for each in utterances}
            with FeatureStoreWriter(self.folder / name, BINS, "float32", self.config.features) as writer:
                for identifier, matrix in self.features.items():
                    if identifier in ids or identifier.startswith("sp"):
                        writer.append(identifier, matrix)
            stores.append(FeatureStore.open(self.folder / name))
        return tuple(stores)

    def check(self):
        return check_targets(self.train, self.dev, UNITS, self.config, self.stores())

    def kinds(self):
        """(kind, subject) of the errors, and of the warnings, of the training set."""
        found = self.check().train
        return tuple([(o.kind, o.subject) for o in found if o.is_error is wanted] for wanted in (True, False))

    def refusal(self):
        """What `Examples` says of the training set: the check must agree with it."""
        train_store, _ = self.stores()
        try:
            source = StoredSource(self.train, train_store, Normaliser("utterance"))
            Examples(self.train, source, UNITS, self.config, training=True).plan(self.config.augmentation.first_epoch)
        except AsrError as error:
            return str(error)
        return None


@pytest.fixture
def sets(tmp_path):
    return Sets(tmp_path)


def test_a_good_set_has_no_offences(sets):
    check = sets.check()
    assert check.train == check.dev == []
    assert (check.errors, check.unusable, check.foreign) == (0, set(), {})
    assert sets.refusal() is None


def test_a_text_longer_than_its_frames_is_an_error_by_id(sets):
    """11 frames are 6 output frames of the toy model; "aaaa" needs 4 labels and 3 blanks between them."""
    sets.train[1] = replace(sets.train[1], text="aaaa")
    sets.features["two"] = sets.features["two"][:11]
    assert sets.kinds() == ([("too short", "two")], [])
    assert "give 6 frames but the text needs 7" in str(sets.check().train[0])
    assert "two" in sets.refusal()


def test_one_frame_more_and_the_text_fits(sets):
    sets.train[1] = replace(sets.train[1], text="aaaa")
    sets.features["two"] = sets.features["two"][:13]
    assert sets.kinds() == ([], [])
    assert sets.refusal() is None


def test_characters_outside_the_units_are_counted(sets):
    sets.train[0] = replace(sets.train[0], text="abé é")
    sets.train[2] = replace(sets.train[2], text="xé")
    errors, warnings = sets.kinds()
    assert errors == [("characters", "one"), ("characters", "three")]
    assert warnings == []
    assert sets.check().foreign == {"é": 3, "x": 1}
    assert "one" in sets.refusal()


def test_foreign_words_of_word_units():
    words = build_units(["yes no"], UnitsConfig(kind="words"))
    assert count_foreign(["yes maybe", "maybe no maybe", "yes"], words) == {"maybe": 3}


def test_missing_features_are_an_error_in_both_sets(sets):
    del sets.features["two"], sets.features["dev"]
    check = sets.check()
    assert [(o.kind, o.subject) for o in (*check.train, *check.dev)] == [("no features", "two"), ("no features", "dev")]
    assert check.unusable == {"two", "dev"}
    assert "run 'asr features' on this manifest" in str(check.dev[0])


def test_a_speed_that_was_not_stored_is_an_error(sets):
    sets.config = toy_config(augmentation={"speeds": [0.9, 1.0], "first_epoch": 2})
    sets.features |= {f"sp0.9-{name}": sets.features[name] for name in ("one", "two")}
    assert sets.kinds() == ([("no features", "three")], [])
    assert "sp0.9-three" in sets.refusal()


def test_slowed_down_it_may_be_longer_than_a_batch(sets):
    """It would fail in the third epoch only, when augmentation begins."""
    seconds = len(sets.features["one"]) / 100
    batching = {"seconds": 1.5 * seconds}
    sets.config = toy_config(augmentation={"speeds": [0.5, 1.0], "first_epoch": 2}, batching=batching)
    sets.features |= {f"sp0.5-{name}": sets.features[name][:20] for name in ("two", "three")}
    sets.features["sp0.5-one"] = np.repeat(sets.features["one"], 2, axis=0)
    assert sets.kinds() == ([("too long", "one")], [])
    assert "at speed 0.5" in str(sets.check().train[0])
    sets.config = toy_config(augmentation={"speeds": [0.5, 1.0], "first_epoch": 9}, batching=batching)
    assert sets.kinds() == ([], []), "without augmentation no epoch hears that speed"


def test_doubled_ids_and_ids_shared_with_dev_are_errors(sets):
    sets.train.append(replace(sets.train[0], audio="other.wav"))
    sets.dev.append(sets.train[1])
    errors, _ = sets.kinds()
    assert ("doubled id", "one") in errors
    assert ("shared id", "two") in errors


def test_the_same_span_and_the_same_sound_are_doubled_audio(sets):
    again = utterance("again", "ab cd")
    sets.train += [replace(again, audio="one.wav"), utterance("copy", "dd")]
    sets.features["again"] = sets.features["one"][:30]
    sets.features["copy"] = sets.features["two"]
    _, warnings = sets.kinds()
    assert warnings == [("doubled audio", "again"), ("doubled audio", "copy")]
    messages = [str(offence) for offence in sets.check().train]
    assert "is the same audio as one; keep one" in messages[0]
    assert "is the same audio as two, with another text" in messages[1]


def test_dev_audio_in_the_training_set_is_a_leak(sets):
    sets.features["three"] = sets.features["dev"]
    sets.train[2] = replace(sets.train[2], text="dab")
    assert ("shared audio", "three") in sets.kinds()[1]


def test_speakers_and_texts_of_the_dev_set_are_warned_of(sets):
    sets.dev = [utterance("dev", "ab cd", speaker="two")]
    assert sets.kinds() == ([], [("shared speaker", "two"), ("shared text", "texts")])


def test_a_speaker_who_repeats_a_sentence(sets):
    sets.train = [replace(each, speaker="s", text="ab") for each in sets.train]
    assert sets.kinds() == ([], [("repeated text", "texts")])
    assert "3 utterances repeat a text of the same speaker (s: 'ab' 3 times)" in str(sets.check().train[0])


@pytest.mark.parametrize(
    "matrix",
    [
        pytest.param(np.full((40, BINS), -15.94, np.float32), id="digital silence"),
        pytest.param(np.random.default_rng(1).normal(12, 0.1, (200, BINS)).astype(np.float32), id="steady noise"),
    ],
)
def test_nothing_happens_in_it(sets, matrix):
    sets.features["two"] = matrix
    assert sets.kinds() == ([], [("constant", "two")])
    sets.train[1] = replace(sets.train[1], text="")
    assert sets.kinds() == ([], [("no text", "two")]), "silence without a text is as it should be"


def test_the_dev_set_is_only_decoded(sets):
    """What cannot be learnt there counts in its error rate and stops nothing."""
    sets.dev = [utterance("dev", "xyz"), replace(utterance("long", "abcd" * 30))]
    sets.features["long"] = sets.features["one"]
    check = sets.check()
    assert [(o.kind, o.subject, o.is_error) for o in check.dev] == [
        ("characters", "dev", False),
        ("too short", "long", False),
    ]


def test_without_stores_lengths_come_from_the_manifest(sets):
    sets.train[0] = replace(sets.train[0], duration=0.1)  # 8 frames of 10 ms, 4 of the model; "ab cd" needs 5
    sets.train[1] = replace(sets.train[1], audio="three.wav")
    check = check_targets(sets.train, sets.dev, UNITS, sets.config, None)
    assert [(o.kind, o.subject) for o in check.train] == [("too short", "one"), ("doubled audio", "three")]


@pytest.mark.parametrize("with_stores", [True, False])
def test_manifests_are_read_line_by_line(sets, tmp_path, with_stores):
    """The same is found in files as in lists."""
    sets.train += [replace(sets.train[0], audio="copy.wav"), utterance("again", "ab cd", speaker="one")]
    sets.features["again"] = sets.features["one"]
    sets.dev.append(replace(sets.train[1], text="xyz"))
    stores = sets.stores() if with_stores else None
    for name, utterances in (("train", sets.train), ("dev", sets.dev)):
        write_manifest(tmp_path / f"{name}.jsonl", utterances)
    manifests = [Manifest(tmp_path / f"{name}.jsonl") for name in ("train", "dev")]
    lists = [list(manifest) for manifest in manifests]
    found = check_targets(*manifests, UNITS, sets.config, stores)
    assert found == check_targets(*lists, UNITS, sets.config, stores)
    assert found.utterances == (5, 2)
    assert {"doubled id", "shared id"} <= {offence.kind for offence in found.train}


def test_level_reads_the_loudness_of_every_kind_of_features():
    bins = np.arange(12.0).reshape(4, 3)
    energy = np.array([[9.0], [8.0], [7.0], [6.0]])
    fbank = FeatureConfig(mel_bins=3)
    assert level(bins, fbank).tolist() == [1, 4, 7, 10]
    with_energy = fbank.model_copy(update={"use_energy": True})
    assert level(np.hstack([energy, bins]), with_energy).tolist() == [1, 4, 7, 10]
    htk = with_energy.model_copy(update={"htk_compat": True})
    assert level(np.hstack([bins, energy]), htk).tolist() == [1, 4, 7, 10]
    mfcc = FeatureConfig(kind="mfcc", mel_bins=16, cepstra=3)
    assert level(bins, mfcc).tolist() == [0, 0.75, 1.5, 2.25]  # a constant c gives c * sqrt(bins) in the zeroth
    assert level(np.hstack([energy, bins]), mfcc.model_copy(update={"use_energy": True})).tolist() == [9, 8, 7, 6]


def test_the_summary_has_errors_first_and_names_a_few(sets):
    sets.train = [replace(each, text="") for each in sets.train[:1]] + [
        utterance(f"bad-{number}", "xyz", speaker=f"s{number}") for number in range(8)
    ]
    for number in range(8):
        sets.features[f"bad-{number}"] = sets.features["one"] + number + 1
    lines = summarise(sets.check().train)
    assert re.match(r"error: characters \(8\): bad-0: .*\(also bad-1, bad-2, bad-3, bad-4 and 3 more\)", lines[0])
    assert lines[1].startswith("warning: no text: one: has no text")
    assert len(lines) == 2
