"""A rung that is missing says in one sentence what to install."""

from pathlib import Path

import pytest

from firstline.servers import NoServers, containers, ephemeral, find_kafka, find_postgres
from firstline.servers import postgres_binaries as binaries


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

    assert list((folder / "cache" / "firstline").iterdir()) == []


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
