"""A rung that is missing says in one sentence what to install."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firstline.servers import NoServers, containers, ephemeral, find_kafka, find_postgres
from firstline.servers import postgres_binaries as binaries

_SLOW_MAVEN = """#!/bin/sh
echo run >> "$HOME/runs"
sleep 0.5
for argument; do
    case "$argument" in -DoutputDirectory=*) into="${argument#*=}" ;; esac
done
mkdir "$into" && touch "$into/kafka_2.13.jar"
"""


def program(folder: Path, name: str, says: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    file.chmod(0o755)


def test_nothing_on_the_path_is_a_sentence_about_java(folder: Path) -> None:
    environ = {"PATH": str(folder), "DOCKER_HOST": f"unix://{folder}/none"}

    with (
        pytest.raises(NoServers, match=r"^Kafka .* needs Java 17 or newer, and there is none: ins"),
        ephemeral(environ=environ),
    ):
        pytest.fail("servers came from nowhere")


def test_an_old_java_is_named(folder: Path) -> None:
    program(folder, "java", 'openjdk version "11.0.20" 2023-07-18')

    with pytest.raises(NoServers, match=f"needs Java 17 or newer, and {folder}/java is not: inst"):
        find_kafka({"PATH": str(folder)})


def test_without_maven_and_jars_the_sentence_is_about_maven(folder: Path) -> None:
    program(folder, "java", 'openjdk version "17.0.15" 2025-04-15')
    environ = {"PATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}

    with pytest.raises(NoServers, match=r"brought by Maven, and there is no mvn: install it"):
        find_kafka(environ)


def test_maven_that_fails_says_why_and_leaves_nothing_in_the_cache(folder: Path) -> None:
    program(folder, "java", 'openjdk version "17.0.15" 2025-04-15')
    (folder / "mvn").write_text("#!/bin/sh\necho '[ERROR] no route to host'\nexit 1\n")
    (folder / "mvn").chmod(0o755)
    environ = {"PATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}

    with pytest.raises(NoServers, match=r"could not bring Kafka .*: \[ERROR\] no route to host"):
        find_kafka(environ)

    assert [kept.name for kept in (folder / "cache" / "firstline").iterdir()] == ["bringing.lock"]


def test_processes_that_need_kafka_at_the_same_time_bring_it_once(folder: Path) -> None:
    """As those of one run of the tests do on a new machine."""
    program(folder, "java", 'openjdk version "17.0.15" 2025-04-15')
    (folder / "mvn").write_text(_SLOW_MAVEN)
    (folder / "mvn").chmod(0o755)
    environ = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(find_kafka, [environ] * 3))

    assert [kafka.jars for kafka in found] == [found[0].jars] * 3
    assert [jar.name for jar in found[0].jars.iterdir()] == ["kafka_2.13.jar"]
    assert (folder / "runs").read_text() == "run\n"


def test_without_any_postgres_the_sentence_is_about_postgres(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")

    with pytest.raises(NoServers, match=r"^Postgres 15 or newer was not found: install it"):
        find_postgres({"PATH": ""}, debian=folder)


def test_a_machine_without_postgres_uses_the_one_of_the_python_package(folder: Path) -> None:
    assert find_postgres({"PATH": ""}, debian=folder).major >= 18


def test_no_engine_at_the_docker_socket_is_no_error(folder: Path) -> None:
    assert not containers.engine_answers({"DOCKER_HOST": f"unix://{folder}/none"})
