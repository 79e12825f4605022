"""`asr`, but on its first start the process of one rank is killed in the middle of an update.

Run as `torchrun ... tests_dying.py RANK UPDATE asr-arguments...`.
"""

import os
import signal
import sys

from asr.__main__ import main
from asr.training.trainer import Trainer


def die_at(rank, update):
    """Kill this process when it is of `rank` and comes to the `update`-th update, unless it was restarted already."""
    original = Trainer._update

    def dying(self, *arguments):
        if self.progress.step == update - 1 and os.environ["RANK"] == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, *arguments)

    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        Trainer._update = dying


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:])
