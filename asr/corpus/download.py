"""Finding a corpus on this machine, and downloading it: resumed where it broke off, checked, unpacked safely.

Checksums. Those written below were published by others, named beside each. The archives of AN4 and FSDD have no
published SHA-256 that we could confirm: what comes first is trusted, its SHA-256 is kept in a file beside the archive,
later downloads must equal it, and in every case the number of recordings must be right after unpacking.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from asr.audio.finding import OF_LIBSNDFILE
from asr.errors import CorpusError, DownloadError, UsageError
from asr.files import atomic_write

log = logging.getLogger("asr")

ATTEMPTS = 5
TIMEOUT = 60.0  # seconds without a byte before an attempt is given up
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive of a corpus.

    Attributes:
        url: where it is.
        checksum: "sha256:..." or "md5:...", or "" where none is published.
        folder: what appears below the corpus's folder; "." is the folder itself.
        strip: leading path parts to leave out of each member.
        recordings: number of audio files in `folder` once unpacked; 0 where it is not known.
    """

    url: str
    checksum: str = ""
    folder: str = "."
    strip: int = 0
    recordings: int = 0


def _librispeech(subset: str, resource: int, checksum: str, recordings: int = 0) -> Archive:
    url = f"https://www.openslr.org/resources/{resource}/{subset}.tar.gz"
    return Archive(url, checksum, f"LibriSpeech/{subset}", recordings=recordings)


ARCHIVES: dict[str, dict[str, Archive]] = {
    # The SPHERE archive of CMU, whose own server is gone, at the mirror that NVIDIA's NeMo tutorials use.
    "an4": {
        "": Archive("https://dldata-public.s3.us-east-2.amazonaws.com/an4_sphere.tar.gz", strip=1, recordings=1078)
    },
    "fsdd": {
        "": Archive(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
            strip=1,
            recordings=3000,
        )
    },
    # SHA-256 as torchaudio 2.11 has it (torchaudio/datasets/yesno.py).
    "yesno": {
        "": Archive(
            "https://www.openslr.org/resources/1/waves_yesno.tar.gz",
            "sha256:c3f49e0cca421f96b75b41640749167b52118f232498667ca7a5f9416aef8e73",
            "waves_yesno",
            recordings=60,
        )
    },
    # SHA-256 as torchaudio 2.11 has them (torchaudio/datasets/librispeech.py); MD5 of the two mini subsets as OpenSLR
    # publishes them (openslr.org/resources/31/md5sum.txt).
    "librispeech": {
        subset: _librispeech(subset, resource, checksum, recordings)
        for subset, resource, checksum, recordings in (
            ("train-clean-5", 31, "md5:5df7d4e78065366204ca6845bb08f490", 1519),
            ("dev-clean-2", 31, "md5:6d7ab67ac6a1d2c993d050e16d61080d", 1089),
            ("dev-clean", 12, "sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3", 2703),
            ("dev-other", 12, "sha256:12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365", 2864),
            ("test-clean", 12, "sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23", 2620),
            ("test-other", 12, "sha256:d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29", 2939),
            ("train-clean-100", 12, "sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2", 28539),
            ("train-clean-360", 12, "sha256:146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf", 104014),
            ("train-other-500", 12, "sha256:ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2", 148688),
        )
    },
}
MINI_LIBRISPEECH = ("train-clean-5", "dev-clean-2")


def find_corpus(name: str, corpus: str | Path | None = None) -> Path:
    """Folder of a corpus on this machine: `corpus` when given, else `$ASR_CORPORA/<name>`.

    Raises:
        CorpusError: it is in neither place.
    """
    if corpus is not None:
        if not Path(corpus).exists():
            raise CorpusError(corpus, "does not exist", "correct the path given with --corpus")
        return Path(corpus)
    root = os.environ.get("ASR_CORPORA")
    if root and (Path(root) / name).is_dir():
        return Path(root) / name
    tried = f"is not in $ASR_CORPORA ({root})" if root else "is given neither by --corpus nor by $ASR_CORPORA"
    remedy = f"run 'asr download {name} --out DIR' and give --corpus DIR/{name}"
    raise CorpusError(name, tried, remedy if name in ARCHIVES else "give its folder with --corpus")


def download_corpus(
    name: str, out: str | Path, *, corpus: str | Path | None = None, subsets: Sequence[str] = MINI_LIBRISPEECH
) -> Path:
    """The corpus's folder, downloaded to `out/<name>` unless `find_corpus` finds it already; safe to repeat.

    Args:
        name: an4, fsdd, yesno or librispeech.
        out: folder that keeps the archives and the unpacked corpus.
        corpus: folder that may hold it already.
        subsets: of LibriSpeech.

    Raises:
        UsageError: unknown corpus or subset.
        DownloadError: the transfer failed, or what came is not what was expected.
    """
    if name not in ARCHIVES:
        raise UsageError(name, "is not a corpus that can be downloaded", f"choose from {', '.join(ARCHIVES)}")
    if corpus is not None or (os.environ.get("ASR_CORPORA") and (Path(os.environ["ASR_CORPORA"]) / name).is_dir()):
        return find_corpus(name, corpus)
    known = ARCHIVES[name]
    unknown = [] if "" in known else [subset for subset in subsets if subset not in known]
    if unknown:
        raise UsageError(name, f"has no subset {', '.join(unknown)}", f"choose from {', '.join(known)}")
    home = Path(out) / name
    for archive in [known[""]] if "" in known else [known[subset] for subset in subsets]:
        obtain(archive, home)
    return home


def obtain(archive: Archive, home: Path) -> None:
    """Download and unpack one archive below `home`; what is complete already is left alone.

    Raises:
        DownloadError: see `download_corpus`.
    """
    file_name = PurePosixPath(archive.url).name
    complete = home / f".{file_name}.complete"  # written last
    if complete.is_file():
        return
    archive_path = home / file_name
    download(archive.url, archive_path, archive.checksum)
    log.info("unpacking %s", archive_path)
    unpack(archive_path, home, archive.strip)
    found = sum(1 for path in (home / archive.folder).rglob("*") if path.suffix.lower() in OF_LIBSNDFILE)
    if archive.recordings and found != archive.recordings:
        reason = f"unpacks to {found} recordings, not {archive.recordings}"
        raise DownloadError(archive_path, reason, "remove it and run the command again")
    with atomic_write(complete) as stream:
        stream.write(f"{archive.url}\n")


def download(url: str, path: str | Path, checksum: str = "") -> str:
    """Download `url` to `path`, going on where an earlier try stopped, and return its SHA-256.

    Half a file waits as `<path>.part`. The SHA-256 of what came is kept in `<path>.sha256`; when that file exists, the
    download must equal it.

    Raises:
        DownloadError: unreachable after several attempts, or the checksum differs.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _transfer(url, part)
        _verify(part, checksum, path)
        part.replace(path)
    else:
        _verify(path, checksum, path)
    recorded = path.with_name(path.name + ".sha256")
    sha256 = _digest(path, "sha256")
    if not recorded.is_file():
        if not checksum:
            log.warning("%s: no checksum is published; trusting this download, SHA-256 %s", path.name, sha256)
        with atomic_write(recorded) as stream:
            stream.write(f"{sha256}  {path.name}\n")
    return sha256


def _transfer(url: str, part: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _resume(url, part)
            return
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing comes after what we have: it is whole, or of another file
                if _total_bytes(error) in (None, part.stat().st_size):
                    return
                part.unlink()
            elif error.code < 500:
                raise DownloadError(url, f"the server answers {error.code} {error.reason}", _by_hand(part)) from None
            failure: Exception = error
        except (OSError, HTTPException) as error:
            failure = error
        log.warning("%s: attempt %d of %d failed (%s)", url, attempt, ATTEMPTS, failure)
        time.sleep(min(30.0, 0.1 * 4**attempt) if attempt < ATTEMPTS else 0)
    raise DownloadError(url, f"cannot be downloaded ({failure})", f"check the network; {_by_hand(part)}")


def _total_bytes(error: urllib.error.HTTPError) -> int | None:
    """Length of the file as a refusal of a range states it: "Content-Range: bytes */1234"."""
    total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _by_hand(part: Path) -> str:
    return f"run the command again to go on, or put the file at {part.with_suffix('')}"


def _resume(url: str, part: Path) -> None:
    """One attempt: ask for what is missing and append it; a server that cannot resume sends all, and we begin anew."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        expected = int(response.headers.get("Content-Length") or -1)
        resumed = response.status == 206
        log.info("downloading %s%s", url, f", from byte {have}" if resumed else "")
        with part.open("ab" if resumed else "wb") as stream:
            received = _copy(response, stream)
    if 0 <= received < expected:
        raise OSError(f"the connection ended after {received} of {expected} bytes")


def _copy(response: HTTPResponse, stream: BinaryIO) -> int:
    received, last = 0, time.monotonic()
    while block := response.read(BLOCK_BYTES):
        stream.write(block)
        received += len(block)
        if time.monotonic() - last > 10:
            last = time.monotonic()
            log.info("%.0f MB received", received / 1e6)
    return received


def _verify(file: Path, checksum: str, path: Path) -> None:
    """Compare with the published and the recorded checksum; a file that differs is removed."""
    recorded = path.with_name(path.name + ".sha256")
    expected = [checksum] if checksum else []
    if recorded.is_file():
        expected.append(f"sha256:{recorded.read_text().split()[0]}")
    for wanted in expected:
        algorithm, _, value = wanted.partition(":")
        found = _digest(file, algorithm)
        if found != value:
            file.unlink()
            reason = f"has {algorithm} {found}, not {value}, and was removed"
            raise DownloadError(path, reason, f"run the command again; if the publisher changed it, remove {recorded}")


def _digest(path: Path, algorithm: str) -> str:
    state = hashlib.new(algorithm)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()


def unpack(archive: Path, folder: Path, strip: int = 0) -> None:
    """Unpack a tar archive, plain files and folders only; repeated, it writes the same files again.

    Raises:
        DownloadError: not a tar archive, or a member would land outside `folder`.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _unpack_member(tar, member, folder, strip)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a full disk and the like, named at the command line
        raise DownloadError(archive, f"cannot be unpacked ({error})", "remove it and run the command again") from None


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, strip: int) -> None:
    parts = [part for part in PurePosixPath(member.name).parts if part != "."]
    if PurePosixPath(member.name).is_absolute() or ".." in parts:
        reason = f"holds the path {member.name}, which leads outside"
        raise DownloadError(str(tar.name), reason, "do not use this archive")
    target = folder.joinpath(*parts[strip:])
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or len(parts) <= strip:
        return  # links and devices are nothing that a corpus needs
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise DownloadError(str(tar.name), f"writes {member.name} through a link", "do not use this archive")
    with content, target.open("wb") as stream:  # the marker of completeness is written after all
        shutil.copyfileobj(content, stream)
