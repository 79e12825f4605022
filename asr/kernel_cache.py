"""Compiled code that is kept on disk is thrown away when any source that it was made of has changed.

numba keeps the compiled form of a function until the file of that function changes. What was merged into it from other
files it does not look at: after an update it would run a kernel that expects last week's records, and read beyond them.
Here the kernels of one folder are valid for exactly the sources that the folder has.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from asr.files import atomic_write

STAMP = "kernels.stamp"
KEPT = ("*.nbi", "*.nbc")  # numba's index and code files


def forget_outdated(sources: str | Path, kept: str | Path) -> None:
    """Delete the compiled code of a folder of sources unless it was made of them as they are.

    To be called before the folder's first kernel is defined. Where nothing can be written, nothing is done: then numba
    writes nothing there either.

    Args:
        sources: a folder of Python files; their names, sizes and times of change are compared, not their text.
        kept: the folder where numba keeps what it compiles of them.
    """
    folder, stamp = Path(kept), signature(sources)
    with contextlib.suppress(OSError):
        if (folder / STAMP).is_file() and (folder / STAMP).read_text(encoding="utf-8") == stamp:
            return
        for pattern in KEPT:
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)  # another process may be doing the same
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / STAMP) as file:
            file.write(stamp)


def signature(sources: str | Path) -> str:
    """A number that changes with the files of a folder."""
    found = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in Path(sources).glob("*.py")]
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()
