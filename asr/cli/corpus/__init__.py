"""Verbs about recordings, texts and features: download prepare validate convert lexicon units features shard."""
