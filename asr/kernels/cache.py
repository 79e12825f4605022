"""Compiled code kept on disk: a file a function and signature, valid for the contents of the sources.

numba's own cache looks at the file of a function only, not at what was merged into it from other files, keeps an index
that processes overwrite for each other, and stops at a damaged file. Here every state of the sources has a folder of
its own, nothing that another process may be loading is deleted or written twice, and a file that is not whole counts as
missing: then the function is compiled anew. Two processes that compile the same function write the same file.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import re
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
from numba.core import compiler, config, event, serialize
from numba.core.caching import FunctionCache
from numba.misc.appdirs import AppDirs

from asr.files import atomic_write

log = logging.getLogger("asr")
PACKAGE = Path(__file__).parents[1]
COMPILED = re.compile(r"^(?:from|import) (?:numba|asr\.kernels)\b", re.MULTILINE)
IMPORTED = re.compile(r"^ *from (asr[\w.]*) import", re.MULTILINE)
PATIENCE = 1.0  # seconds of compiling after which the user is told


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


def folders() -> list[Path]:
    """Where compiled code is looked for, and kept in the first that can be written.

    That is `NUMBA_CACHE_DIR` alone where it is set, else the installed package, else the user's cache: an installation
    that cannot be written to is used for what it has.
    """
    roots = [PACKAGE / "__pycache__", Path(AppDirs(appname="asr", appauthor=False).user_cache_dir)]
    if config.CACHE_DIR:  # type: ignore[attr-defined]
        roots = [Path(config.CACHE_DIR)]  # type: ignore[attr-defined]
    return [root / f"kernels-{sources_digest()}" for root in roots]


class KernelCache(FunctionCache):  # type: ignore[misc]
    """numba's interface to the files of one function."""

    def __init__(self, function: Any) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._py_func = function
        self._line = function.__code__.co_firstlineno
        self.enable()

    @property
    def cache_path(self) -> str:
        """The folder, for numba's statistics."""
        return str(folders()[0])

    def _file(self, signature: Any, codegen: Any) -> str:
        """Name of the file for one signature, on this kind of processor, with these versions."""
        key = (str(self._index_key(signature, codegen)), self._line, numba.__version__, sys.version_info[:2])
        return f"{self._name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.bin"

    def load_overload(self, signature: Any, target: Any) -> Any:
        """What was compiled for a signature, or None."""
        target.refresh()
        name = self._file(signature, target.codegen())
        for folder in folders():
            try:
                found = (folder / name).read_bytes()
            except OSError:
                continue
            if hashlib.sha256(found[32:]).digest() == found[:32]:
                return compiler.CompileResult._rebuild(target, *pickle.loads(found[32:]))
            log.warning("%s is damaged; the function is compiled anew", folder / name)
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep what was compiled; where nothing can be written, it lasts as long as the process."""
        if result.library.has_dynamic_globals or result.lifted:
            return
        code = serialize.dumps(result._reduce())
        for folder in folders():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with atomic_write(folder / self._file(signature, result.library.codegen), "wb") as stream:
                    stream.write(hashlib.sha256(code).digest() + code)
            except OSError:
                continue
            return


class CompilingNotice(event.Listener):  # type: ignore[misc]
    """Tells the user, once, why nothing seems to happen when functions of this package are compiled."""

    def __init__(self) -> None:
        self.depth = 0
        self.timer: threading.Timer | None = None

    def on_start(self, event: Any) -> None:
        """A function begins to be compiled, perhaps on behalf of another one."""
        if self.depth == 0 and event.data["dispatcher"].py_func.__module__.startswith("asr."):
            self.timer = threading.Timer(PATIENCE, self.tell)
            self.timer.daemon = True
            self.timer.start()
        self.depth += 1

    def on_end(self, event: Any) -> None:
        """It is done."""
        self.depth -= 1
        if self.depth == 0 and self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def tell(self) -> None:
        """Say it once in a process."""
        _tell()


@lru_cache(maxsize=1)
def _tell() -> None:
    log.info("compiling loops for this processor: about a quarter of a minute, only the first time")


@lru_cache(maxsize=1)
def give_notice() -> None:
    """Tell the user, from now on, when something is compiled."""
    event.register("numba:compile", CompilingNotice())
