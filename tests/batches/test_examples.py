"""Examples: what an epoch hears depends on seed, epoch and id alone; padding is zero; texts and stores are checked."""

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Examples
from asr.batches.plan import Item, padded_seconds, plan_epoch
from asr.batches.stored import StoredSource
from asr.corpus.manifest import load_manifest
from asr.errors import FeatureError, TrainingError, UnitsError
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore
from asr.units import Units


@pytest.fixture
def build(toy_data):
    """Examples of the toy training set under some configuration."""

    def build_with(config=None, training=True, change=lambda utterances: utterances):
        config = config or toy_config()
        utterances = change(load_manifest(toy_data / "train.jsonl"))
        store = FeatureStore.open(toy_data / "features" / "train")
        units = Units.load(toy_data / "units.txt")
        source = StoredSource(utterances, store, Normaliser("utterance"))
        return Examples(utterances, source, units, config, training=training)

    return build_with


def test_a_batch_is_its_utterances_padded_with_zeros(build):
    examples = build()
    names = list(examples.names)[:3]
    batch = examples.batch(names, epoch=0)
    assert batch.ids == names
    for row, name in enumerate(names):
        length = int(batch.lengths[row])
        torch.testing.assert_close(batch.features[row, :length], examples.load(name, 0), rtol=0, atol=0)
        assert batch.features[row, length:].abs().sum() == 0
    assert batch.seconds == pytest.approx(float(batch.lengths.sum()) / 100)


def test_clean_epochs_are_normalised_and_nothing_else(build):
    examples = build()
    features = examples.load("train-000", 0)
    torch.testing.assert_close(features.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.std(0, correction=0), torch.ones(8), atol=1e-4, rtol=0)


def test_augmentation_depends_on_seed_epoch_and_id_alone(build):
    examples = build()
    augmented = examples.load("train-000", 2)
    assert torch.equal(augmented, build().load("train-000", 2))
    assert not torch.equal(augmented, examples.load("train-000", 3))
    assert not torch.equal(augmented, build(toy_config(seed=2)).load("train-000", 2))
    assert torch.equal(build(training=False).load("train-000", 2), examples.load("train-000", 0))


def test_validation_never_hears_augmented_speech(build):
    examples = build(training=False)
    assert torch.equal(examples.load("train-001", 0), examples.load("train-001", 50))


def test_a_speed_that_was_not_stored_is_named(build):
    with pytest.raises(
        FeatureError, match=r"sp0\.9-train-000: is not in the store; run 'asr features --speeds' with 0\.9"
    ):
        build(toy_config(augmentation={"speeds": [0.9, 1.0]}))


def test_texts_outside_the_units_are_named_in_training_and_allowed_in_validation(build):
    from dataclasses import replace

    def spoil(utterances):
        return [replace(utterances[0], text="XYZ"), *utterances[1:]]

    with pytest.raises(UnitsError, match="train-000: has characters outside the units"):
        build(change=spoil)
    assert build(training=False, change=spoil).rows.target("train-000") is None


def test_utterances_without_features_are_named(build):
    from dataclasses import replace

    with pytest.raises(FeatureError, match="ghost: and 0 more are not in the store"):
        build(change=lambda utterances: [*utterances, replace(utterances[0], id="ghost")])


def test_an_epochs_plan_holds_everyone_once_and_says_what_it_costs(build):
    examples = build()
    plan = examples.plan(3)
    assert sorted(name for names in plan.batches for name in names) == list(examples.names)
    assert list(plan.batches) == list(examples.plan(3).batches)
    assert plan.seconds == pytest.approx(sum(item.seconds for item in examples.items(3)))
    assert 0 <= plan.padding < 0.5


def test_an_error_in_a_loading_process_arrives_as_itself(build, toy_data):
    examples = build(toy_config(training={"workers": 1}))
    stored = toy_data / "features" / "train" / "features.bin"
    stored.write_bytes(bytes(stored.stat().st_size))
    with pytest.raises(FeatureError, match=r"train-000: its features in .* are corrupt"):
        list(examples.batches([["train-000"]], 0))


def test_targets_are_handed_out_as_lists_whatever_they_are_kept_in(build, toy_data):
    texts = {utterance.id: utterance.text for utterance in load_manifest(toy_data / "train.jsonl")}
    units = Units.load(toy_data / "units.txt")
    batch = build().batch(sorted(texts)[:4], 0)
    assert batch.targets == [units.encode(texts[name]) for name in batch.ids]
    assert all(type(target) is list for target in batch.targets)


def test_the_order_of_the_manifest_changes_nothing(build):
    straight, turned = build(), build(change=lambda utterances: utterances[::-1])
    assert list(straight.names) == list(turned.names) == sorted(straight.names)
    assert straight.identity() == turned.identity() != build(change=lambda utterances: utterances[1:]).identity()
    for epoch in (0, 5):
        assert list(straight.plan(epoch).batches) == list(turned.plan(epoch).batches)


def test_of_a_doubled_id_the_last_utterance_counts(build, toy_data):
    from dataclasses import replace

    examples = build(change=lambda utterances: [*utterances, replace(utterances[0], text="a")])
    assert len(examples.names) == 24
    assert examples.rows.target("train-000") == Units.load(toy_data / "units.txt").encode("a")


def test_plan_and_lengths_are_those_that_a_plain_plan_of_named_items_gives(build):
    """The reference: utterances as objects, sorted and planned one by one."""
    config = toy_config(augmentation={"speeds": [1.0]}, batching={"together": 2})
    examples = build(config)
    for epoch in range(4):
        items = [Item(name, examples.source.store.frames(name) * 0.01) for name in examples.names]
        plan = examples.plan(epoch)
        expected = plan_epoch(items, config.batching, config.seed, epoch)
        assert list(plan.batches) == expected
        assert list(plan.loads) == padded_seconds(items, expected)
        assert plan.padding == pytest.approx(1 - plan.seconds / sum(padded_seconds(items, expected)))
        assert plan.loads[plan.longest] == max(plan.loads)
    assert examples.items(0) == items
    assert examples.facts().seconds == pytest.approx(sum(item.seconds for item in items))


def test_texts_that_do_not_fit_are_all_named_at_once(build):
    from dataclasses import replace

    def spoil(utterances):
        return [replace(each, text="aa" * 200) if number < 3 else each for number, each in enumerate(utterances)]

    with pytest.raises(TrainingError, match=r"3 utterance\(s\): cannot emit .* train-000 .* train-001 .* train-002 "):
        build(change=spoil)


def test_shared_ids_are_found(build):
    assert build().shared_with(["train-003", "nobody", "train-001", "train-003"]) == ["train-001", "train-003"]
