"""Models by name: where they lie on this machine, and how another is fetched.

A name is that of a folder in one of these places, the first that has it: `$ASR_MODELS`; the user's own models
(`$XDG_DATA_HOME/asr/models`, otherwise `~/.local/share/asr/models`); what came with the program, `models/` beside the
package or `share/asr/models` of the Python installation.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asr.corpus.download import download, unpack
from asr.errors import DownloadError, MissingExtraError, ModelError, UsageError
from asr.files import atomic_directory
from asr.model.files import CONFIG, UNITS, WEIGHTS

LOGGER = logging.getLogger("asr")
DEFAULT = "english"
HUB_FILES = ["*.safetensors", "*.onnx", "*.yaml", "*.txt", "*.md", "*.json", "*.npz", "lm/*"]


@dataclass(frozen=True)
class InstalledModel:
    """A model that is there: its name, folder, size in bytes, and the first line of its card."""

    name: str
    directory: Path
    size: int
    about: str


def places() -> list[Path]:
    """Folders that hold models, the first one first; they need not exist."""
    package = Path(__file__).parents[2]
    given = [Path(os.environ["ASR_MODELS"])] if os.environ.get("ASR_MODELS") else []
    return [*given, user_folder(), package / "models", Path(sys.prefix) / "share" / "asr" / "models"]


def user_folder() -> Path:
    """Where fetched models are kept."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "asr" / "models"


def is_model(directory: Path) -> bool:
    """Whether a folder looks like a model directory."""
    return all((directory / name).is_file() for name in (WEIGHTS, CONFIG, UNITS))


def installed() -> list[InstalledModel]:
    """All models that go by name, in the order of names; of two with one name the one that the name means."""
    found: dict[str, InstalledModel] = {}
    for place in places():
        for directory in sorted(place.iterdir()) if place.is_dir() else []:
            if directory.name not in found and is_model(directory):
                size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
                found[directory.name] = InstalledModel(directory.name, directory, size, _about(directory))
    return [found[name] for name in sorted(found)]


def find_model(given: str | Path | None = None) -> Path:
    """The directory of a model: a folder as it is, or a name; None is the default model.

    Raises:
        UsageError: none is given and there is no default model.
        ModelError: there is neither a folder nor a model of this name.
    """
    name = DEFAULT if given is None else str(given)
    if given is not None and (Path(given).exists() or os.sep in name):
        return Path(given)  # what is wrong with it, its loader says
    for place in places():
        if name and is_model(place / name):
            if given is None:
                LOGGER.info("using the model %s (%s); choose another with --model", name, place / name)
            return place / name
    known = ", ".join(model.name for model in installed()) or "none"
    if given is None:
        raise UsageError(
            "--model", f"is needed: no model named {name!r} is here", f"give a folder or a name of {known}"
        )
    raise ModelError(name or "''", "is neither a folder nor the name of a model", f"models that are here: {known}")


def fetch_model(source: str, name: str | None = None, checksum: str = "", folder: Path | None = None) -> Path:
    """Bring a model onto this machine.

    Args:
        source: URL of a tar archive of a model directory, or `owner/name` of the Hugging Face hub.
        name: it will go by; None takes that of the archive or repository.
        checksum: SHA-256 of the archive; "" trusts what comes.
        folder: that keeps models; the user's when None.

    Raises:
        DownloadError: it cannot be fetched, or differs from the checksum.
        ModelError: what came is no model directory.
        MissingExtraError: the hub is asked for and its package is not installed.
    """
    url = "://" in source
    if not url and source.count("/") != 1:
        raise UsageError(source, "is no URL and no OWNER/NAME", "give the address of an archive or of a hub repository")
    if not url and checksum:
        raise UsageError("--sha256", "is for archives", "leave it out: the hub checks what it sends")
    name = name or PurePosixPath(source).name.split(".tar")[0].removesuffix(".tgz")
    if not name or name in (".", "..") or "/" in name:
        raise UsageError("--name", f"{name!r} is no name", "give one without slashes")
    target = (folder or user_folder()) / name
    if target.exists():
        raise ModelError(target, "is there already", "remove it, or choose another --name")
    with atomic_directory(target) as coming:
        if url:
            _fetch_archive(source, coming, checksum.removeprefix("sha256:"))
        else:
            _fetch_from_hub(source, coming)
        if not is_model(coming):
            reason = f"holds no model: {WEIGHTS}, {CONFIG} and {UNITS} are looked for"
            raise ModelError(source, reason, "check the address")
    return target


def _fetch_archive(url: str, coming: Path, checksum: str) -> None:
    """Download beside, check, unpack; an archive may hold the directory itself or its content."""
    archive = coming.parent / f".{coming.name}.archive"
    try:
        download(url, archive, f"sha256:{checksum}" if checksum else "")
        unpack(archive, coming)
        entries = list(coming.iterdir())
        if len(entries) == 1 and entries[0].is_dir():
            for path in list(entries[0].iterdir()):
                path.rename(coming / path.name)
            entries[0].rmdir()
    finally:
        for left in (archive, archive.with_name(archive.name + ".sha256"), archive.with_name(archive.name + ".part")):
            left.unlink(missing_ok=True)


def _fetch_from_hub(repository: str, coming: Path) -> None:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtraError("huggingface-hub", "hub") from None
    try:
        snapshot_download(repository, local_dir=coming, allow_patterns=HUB_FILES)
    except (OSError, ValueError) as error:  # the hub's own errors are kinds of these
        reason = " ".join(str(error).split())[:300]
        raise DownloadError(repository, f"cannot be fetched from the hub ({reason})", "check the name") from None


def _about(directory: Path) -> str:
    card = directory / "card.md"
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines() if card.is_file() else []
    return next((line.lstrip("# ").strip() for line in lines if line.strip()), "")
