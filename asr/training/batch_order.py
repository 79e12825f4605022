"""Which order an epoch's batches come in: a checkpoint's position within an epoch means something in that order alone.

A training set names its order by how it is read and a number, as "shards 2". The number is raised with every change
after which the same data, settings, seed and epoch give other batches or another sequence of them.
"""

from __future__ import annotations

from pathlib import Path

from asr.errors import CheckpointError

SET_ORDER = "set 1"  # `batching.arrange_epoch` over the utterances of a set in the order of their ids
SHARDS_ORDER = "shards 2"  # `StreamPlan`; 1 jittered small windows as much as large ones and counted all speeds
UNNAMED = SET_ORDER  # of checkpoints that name none: the order of a set has never changed, that of shards has


def require_order(found: str | None, wanted: str, path: Path) -> None:
    """Refuse to go on in the middle of a plan that is another one now: utterances would be left out or heard twice.

    Args:
        found: order that the checkpoint was trained in; None where it names none.
        wanted: order of the training set as it is read now.
        path: of the checkpoint.

    Raises:
        CheckpointError: they differ.
    """
    if (found or UNNAMED) == wanted:
        return
    if found is None:
        reason = f"does not say in which order its batches came, and this version reads them in order '{wanted}'"
    else:
        reason = f"was trained on batches in order '{found}', and now they come in order '{wanted}'"
    remedy = "finish with the version of asr and the way of reading (shards or not) that it was begun with, or begin "
    raise CheckpointError(
        path, reason, remedy + "again in another --exp folder, with --init from its model if it has one"
    )
