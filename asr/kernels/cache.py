"""Where compiled code is kept on disk, and which sources it is valid for.

numba keeps the compiled form of a function until the file of that function changes. What was merged into it from other
files it does not look at: after an update it would run a kernel that expects last week's arrays, and read beyond them.
Here compiled code is valid for the contents of all files that are compiled and of what those import, and every such
state has a folder of its own: nothing that another process may be loading is deleted or overwritten.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core import config
from numba.core.caching import CacheImpl, _CacheLocator
from numba.misc.appdirs import AppDirs

PACKAGE = Path(__file__).parents[1]
COMPILED = re.compile(r"^(?:from|import) (?:numba|asr\.kernels)\b", re.MULTILINE)
IMPORTED = re.compile(r"^ *from (asr[\w.]*) import", re.MULTILINE)


@lru_cache(maxsize=1)
def sources_digest(package: Path = PACKAGE) -> str:
    """Changes with the contents of any file that is compiled, or that one of those imports."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    waiting = [path for path, text in texts.items() if COMPILED.search(text)]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in reached or path not in texts:
            continue
        reached.add(path)
        for module in IMPORTED.findall(texts[path]):
            place = package.parent.joinpath(*module.split("."))
            waiting += [place.with_suffix(".py"), place / "__init__.py"]
    digest = hashlib.sha256()
    for path in sorted(reached):
        digest.update(f"{path.relative_to(package)}\0{texts[path]}\0".encode())
    return digest.hexdigest()[:16]


class PackageLocator(_CacheLocator):  # type: ignore[misc]
    """Tells numba where the compiled code of this package's functions lies.

    In `NUMBA_CACHE_DIR`, else beside the sources, else, where those cannot be written, in the user's cache folder.
    """

    def __init__(self, function: Any, file: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._file = Path(file)
        name = "-".join(self._file.relative_to(PACKAGE).with_suffix("").parts[:-1]) or "asr"
        beside = self._file.parent / "__pycache__"
        if config.CACHE_DIR:  # type: ignore[attr-defined]
            root = Path(config.CACHE_DIR) / name  # type: ignore[attr-defined]
        elif (beside / sources_digest()).is_dir() or os.access(self._file.parent, os.W_OK):
            root = beside
        else:
            root = Path(AppDirs(appname="asr", appauthor=False).user_cache_dir) / name
        self._path = root / sources_digest()

    def get_cache_path(self) -> str:
        """Folder of the function's index and code."""
        return str(self._path)

    def get_source_stamp(self) -> str:
        """What the compiled code was made of."""
        return sources_digest()

    def get_disambiguator(self) -> str:
        """Tells functions of one name in one file apart."""
        return str(self._line)

    @classmethod
    def from_function(cls, function: Any, file: str) -> PackageLocator | None:
        """The locator of a function of this package; None for any other, which numba's own then serve."""
        if PACKAGE not in Path(file).parents:
            return None
        return cls(function, file)


def keep_by_contents() -> None:
    """Have numba keep this package's compiled code as this module says; to be called before the first kernel."""
    if PackageLocator not in CacheImpl._locator_classes:
        CacheImpl._locator_classes.insert(0, PackageLocator)
