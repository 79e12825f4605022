"""Tar shards of tiny utterances, written sample by sample, without manifest or store."""

import json

import numpy as np
from tests_toy import BINS, LETTERS, speak, toy_config, write_set

from asr.shards.indexing import IndexBuilder
from asr.shards.samples import pack_matrix
from asr.shards.tar import ShardWriter, shard_key
from asr.units import BLANK_SYMBOL, Units

UNITS = Units("characters", [BLANK_SYMBOL, " ", *LETTERS])


def shard_config(**sections):
    """The toy configuration with small lanes and windows."""
    sections.setdefault("shards", {})
    config = toy_config(**{name: values for name, values in sections.items() if name != "shards"})
    settings = {"lanes": 2, "window_utterances": 10, **sections["shards"]}
    return type(config).model_validate({**config.model_dump(), "shards": settings})


def write_numbered(folder, sizes, *, ids=None, text="a", features=None, most_frames=40):
    """Shards of so many utterances each; utterance n of the set is "utt-n" and its features begin with n.

    Returns:
        {id: matrix (T, BINS)} of the whole set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    matrices, number = {}, 0
    with IndexBuilder(folder, features or shard_config().features) as builder:
        for shard, size in enumerate(sizes):
            name = f"shard-{shard:06d}.tar"
            with (folder / name).open("wb") as stream:
                writer = ShardWriter(stream)
                for _ in range(size):
                    identifier = ids[number] if ids else f"utt-{number}"
                    matrix = generator.normal(size=(generator.integers(8, most_frames), BINS)).astype(np.float32)
                    matrix[0, 0] = number
                    fields = {
                        "id": identifier,
                        "text": text,
                        "duration": len(matrix) / 100,
                        "speaker": f"s{number % 3}",
                    }
                    files = {"json": json.dumps(fields).encode(), "npy": pack_matrix(matrix)}
                    builder.add(writer.append(shard_key(identifier), files), name)
                    matrices[identifier] = matrix
                    number += 1
                sha256 = writer.close()
            builder.end_shard(name, writer.size, sha256)
        builder.finish()
    return matrices


__all__ = ["BINS", "UNITS", "shard_config", "speak", "write_numbered", "write_set"]
