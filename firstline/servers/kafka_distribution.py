"""Which Kafka to run: the real one, its jars brought by Maven once and kept."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from firstline.servers.addresses import NoServers
from firstline.servers.lock import locked

_POM = Path(__file__).with_name("pom.xml")
_OLDEST_JAVA = 17
_FETCH_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class KafkaDistribution:
    """A Java to run Kafka with, and a folder that holds Kafka's jars."""

    java: Path
    jars: Path
    version: str


def find_kafka(environ: Mapping[str, str]) -> KafkaDistribution:
    """Find Java, and Kafka's jars in the cache folder; bring them with Maven the first time.

    Raises `NoServers` where Java, Maven or the network is missing.
    """
    version = ElementTree.parse(_POM).getroot().findtext("version", "")  # noqa: S314 -- our file
    java = _java(environ, version)
    # The description is part of the name: jars brought for another one would be the wrong ones.
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:8]
    jars = _cache(environ) / f"kafka-{version}-{digest}"
    if not jars.exists():
        _bring(jars, version, environ)
    return KafkaDistribution(java, jars, version)


def _java(environ: Mapping[str, str], version: str) -> Path:
    home = environ.get("JAVA_HOME")
    path = environ.get("PATH", "")
    found = (home and shutil.which("java", path=f"{home}/bin")) or shutil.which("java", path=path)
    if found is None:
        message = (
            f"Kafka {version} needs Java {_OLDEST_JAVA} or newer, and there is none: install it "
            "(Debian: apt-get install default-jre-headless; macOS: brew install openjdk)."
        )
        raise NoServers(message)
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
    number = re.search(r'version "(\d+)', told.stderr)
    if number is None or int(number[1]) < _OLDEST_JAVA:
        message = (
            f"Kafka {version} needs Java {_OLDEST_JAVA} or newer, and {found} is not: install a "
            "newer one, or set JAVA_HOME to it."
        )
        raise NoServers(message)
    return Path(found)


def _cache(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "firstline"


def _bring(jars: Path, version: str, environ: Mapping[str, str]) -> None:
    """Fill `jars` beside itself and rename it: it is complete or it is not there."""
    maven = shutil.which("mvn", path=environ.get("PATH", ""))
    if maven is None:
        message = (
            f"Kafka {version} is brought by Maven, and there is no mvn: install it (Debian: "
            "apt-get install maven; macOS: brew install maven)."
        )
        raise NoServers(message)
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Two Mavens that fill one local repository at the same time trip over each other's files.
    with locked(jars.parent / "bringing.lock"):
        if jars.exists():
            return
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=jars.parent) as folder:
            unfinished = Path(folder) / "jars"
            _run_maven(maven, unfinished, version, environ)
            unfinished.rename(jars)


def _run_maven(maven: str, into: Path, version: str, environ: Mapping[str, str]) -> None:
    command = [
        *(maven, "--quiet", "--batch-mode", "--file", str(_POM)),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={into}"),
    ]
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            cwd=into.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"Maven did not bring Kafka {version} within {_FETCH_WITHIN:.0f} s: try again."
        raise NoServers(message) from None
    if done.returncode != 0 or not list(into.glob("kafka_*.jar")):
        message = f"Maven could not bring Kafka {version}: {_first_error(done.stdout)}"
        raise NoServers(message)


def _first_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "[ERROR]" in line]
    return errors[0] if errors else "it gave no reason."
