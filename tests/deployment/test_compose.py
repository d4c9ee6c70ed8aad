"""The compose file and the image, as far as they can be checked without an engine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OURS = ("migrate", "worker")
SERVERS = ("kafka", "postgres")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = compose["services"]
    return found


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_there_are_servers_a_preparation_and_a_worker(services: dict[str, Any]) -> None:
    assert set(services) == {*SERVERS, *OURS}


@pytest.mark.parametrize("name", OURS)
def test_ours_write_nowhere_and_may_do_nothing(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - inside the container
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_ours_find_both_servers(services: dict[str, Any], name: str) -> None:
    environment = services[name]["environment"]
    assert environment["FIRSTLINE_KAFKA_BOOTSTRAP"] == "kafka:19092"
    assert environment["FIRSTLINE_DATABASE_URL"].startswith("postgresql://firstline:")


def test_the_worker_starts_after_everything_was_prepared(services: dict[str, Any]) -> None:
    assert services["worker"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }
    assert services["migrate"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in SERVERS
    }


def test_the_worker_has_the_time_it_needs_to_drain(services: dict[str, Any]) -> None:
    assert services["worker"]["stop_grace_period"] == "30s"


@pytest.mark.parametrize("name", SERVERS)
def test_servers_tell_of_their_health_and_listen_on_loopback(
    services: dict[str, Any], name: str
) -> None:
    assert services[name]["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])


def test_servers_keep_their_data(services: dict[str, Any]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for name in SERVERS:
        (volume,) = services[name]["volumes"]
        assert volume.split(":")[0] in compose["volumes"]


def test_kafka_is_the_one_that_the_local_servers_are(services: dict[str, Any]) -> None:
    pom = (ROOT / "firstline/servers/pom.xml").read_text()
    version = services["kafka"]["image"].removeprefix("apache/kafka:")
    assert f"<version>{version}</version>" in pom


def test_the_image_runs_as_nobody_in_particular(dockerfile: str) -> None:
    final = dockerfile.rsplit("\nFROM ", maxsplit=1)[-1]
    (user,) = re.findall(r"^USER (\S+)$", final, re.MULTILINE)
    assert int(user) >= 10_000


def test_the_image_tells_of_its_health(dockerfile: str) -> None:
    assert re.search(r"^HEALTHCHECK ", dockerfile, re.MULTILINE)
    (file,) = re.findall(r"FIRSTLINE_ALIVE_FILE=(\S+)", dockerfile)
    assert f"os.stat('{file}')" in dockerfile


def test_every_package_in_the_image_is_pinned_by_hash(dockerfile: str) -> None:
    installs = re.findall(r"pip install ((?:.(?!&&|\n))*)", dockerfile)
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_image_has_nothing_that_only_tests_need() -> None:
    names = re.findall(
        r"^([A-Za-z0-9_.-]+)==", (ROOT / "requirements-image.lock").read_text(), re.MULTILINE
    )
    assert "aiokafka" in names
    assert not {"pytest", "mypy", "ruff", "hypothesis", "testcontainers"} & set(names)


def test_both_locks_pin_the_same_versions() -> None:
    everything = set(_pins("requirements.lock"))
    assert set(_pins("requirements-image.lock")) <= everything


def test_a_wheel_built_in_a_clean_folder_runs(tmp_path: Path) -> None:
    """The image's build steps, but for the packages, which are those that are installed here."""
    source = tmp_path / "src"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in listed:
        if name.split("/")[0] in {"tests", "benchmarks", "docs"} or not (ROOT / name).is_file():
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), "."],
        cwd=source,
        check=True,
    )
    (wheel,) = wheels.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(installed), str(wheel)], check=True
    )
    shown = subprocess.run(
        [sys.executable, "-m", "firstline", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "worker" in shown
    assert (installed / "firstline" / "servers" / "pom.xml").is_file()
    assert (installed / "migrations" / "versions" / "0001_sessions.py").is_file()


def _pins(lock: str) -> list[str]:
    return re.findall(r"^([A-Za-z0-9_.-]+==\S+)", (ROOT / lock).read_text(), re.MULTILINE)
