"""TLS and logins from end to end: who has the right ones gets in, and nobody else."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from firstline.check import Level, check
from firstline.traffic import print_topic, send_file
from producers.client import Client, new_id
from producers.security import InsecureKafka, Protocol, Security, client_arguments
from schemas.commands import StartAdhoc
from schemas.replies import Accepted
from tests.builders import ACME, TECH
from tests.check.work import all_is_done, commands, tell
from tests.program.forking import run_all
from tests.program.running import running
from tests.security.fortress import PASSWORD, Fortress, speaks_tls
from tests.security.installation import Installation


async def test_a_worker_does_its_work_behind_doors_with_the_rights_of_the_shipped_scripts(
    installation: Installation, guarded: Fortress, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over SASL_SSL, to Postgres over TLS, with Kafka's ACLs and a role of its own."""
    chat = installation.kafka(guarded.by_login("chat"))
    sent = await send_file(chat, commands(installation.folder), "chat")
    await tell(installation.kafka(guarded.by_login("webhooks")))
    environ = installation.environ(guarded.by_login("worker"))
    with running(environ, "worker", folder=installation.folder) as worker:
        await asyncio.to_thread(worker.wait_for, "ready", 30)
        async with Client(chat, source="chat") as client:
            reply = await client.send(a_start())
        async with asyncio.timeout(20):
            while not await all_is_done(installation.database_url("ann"), sent + 1):
                worker.must_run()
        assert worker.stop() == 0, worker.tail()
    assert isinstance(reply, Accepted)
    told = worker.log.read_text()
    assert "uthorization" not in told
    assert "canary7Q2x" not in told

    await print_topic(chat, "replies", follow=False)
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["outcome"] for one in shown} == {"accepted"}


def a_start() -> StartAdhoc:
    return StartAdhoc(
        command_id=new_id(),
        session_id=new_id(),
        account_id=ACME,
        actor_id=TECH,
        ticket_kind="psa",
        ticket_id="10099",
    )


@pytest.mark.parametrize("door", ["login", "SCRAM-SHA-256", "certificate", "open"])
async def test_check_finds_nothing_wrong_behind_any_door(
    installation: Installation, guarded: Fortress, door: str
) -> None:
    environ = {
        "login": guarded.by_login("worker"),
        "SCRAM-SHA-256": guarded.by_login("worker", FIRSTLINE_KAFKA_SASL_MECHANISM="SCRAM-SHA-256"),
        "certificate": guarded.by_certificate(),
        "open": {
            "FIRSTLINE_KAFKA_BOOTSTRAP": guarded.open_login,
            "FIRSTLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "FIRSTLINE_KAFKA_ALLOW_SASL_PLAINTEXT": "true",
            "FIRSTLINE_KAFKA_USERNAME": "worker",
            "FIRSTLINE_KAFKA_PASSWORD": PASSWORD,
        },
    }[door]
    found = await check(installation.servers(environ), installation.settings(environ))
    assert [one.sentence() for one in found if one.level is Level.WRONG] == []
    told = "\n".join(one.sentence() for one in found)
    assert "Kafka's ACLs: allow what is needed, and no more" in told
    assert "the database role: may do what is needed, and no more" in told
    assert "canary7Q2x" not in told


# -- sentences --------------------------------------------------------------------------------


def refusals(guarded: Fortress, folder: Path) -> dict[str, tuple[Mapping[str, str], str]]:
    """What is wrong with an environment, and what it says."""
    right = guarded.by_login("worker")
    wrong_file = folder / "password"
    wrong_file.write_text("canary7Q2x-but-wrong\n")
    by_file = {k: v for k, v in right.items() if k != "FIRSTLINE_KAFKA_PASSWORD"}
    no_certificate = guarded.by_certificate()
    del no_certificate["FIRSTLINE_KAFKA_CERT_FILE"]
    return {
        "a wrong password": (
            right | {"FIRSTLINE_KAFKA_PASSWORD": "canary7Q2x-but-wrong"},
            "Kafka refuses the login; look at FIRSTLINE_KAFKA_USERNAME, its password and .*",
        ),
        "a wrong password in a file": (
            by_file | {"FIRSTLINE_KAFKA_PASSWORD_FILE": str(wrong_file)},
            "Kafka refuses the login; .*",
        ),
        "an authority that nobody trusts": (
            right | {"FIRSTLINE_KAFKA_CA_FILE": str(guarded.folder / "another-ca.pem")},
            r"Kafka's certificate is not trusted \(.*\); look at FIRSTLINE_KAFKA_CA_FILE",
        ),
        "no certificate": (
            no_certificate,
            "(Kafka does not agree to TLS there|Kafka cannot be reached); look at .*",
        ),
        "a door that speaks no TLS": (
            right | {"FIRSTLINE_KAFKA_BOOTSTRAP": guarded.open_login},
            "(Kafka does not agree to TLS there|Kafka cannot be reached); look at .*",
        ),
        "a login in the open": (
            right | {"FIRSTLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
            "FIRSTLINE_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT logs in over a connection .*",
        ),
    }


def test_who_does_not_get_in_is_told_why_and_no_secret_is_shown(
    installation: Installation, guarded: Fortress, tmp_path: Path
) -> None:
    cases = refusals(guarded, tmp_path)
    ended = run_all(
        [(["worker"], installation.environ(kafka)) for kafka, _ in cases.values()], tmp_path
    )
    for (name, (_, says)), found in zip(cases.items(), ended, strict=True):
        assert found.code == 1, name
        assert re.search(f"^firstline: {says}$", found.err, re.MULTILINE), (name, found.err)
        assert "canary7Q2x" not in found.out + found.err, name


@pytest.mark.skipif(not speaks_tls(), reason="this machine's Postgres was built without TLS")
def test_a_postgres_that_cannot_be_trusted_is_not_connected_to(
    installation: Installation, guarded: Fortress, tmp_path: Path
) -> None:
    environ = installation.environ(guarded.by_login("worker"))
    url = environ["FIRSTLINE_DATABASE_URL"]
    told = {
        "another-ca.pem": "firstline: a server cannot be reached .*certificate verify failed",
        "nowhere.pem": "firstline: a file that FIRSTLINE_DATABASE_URL names is not there",
    }
    ended = run_all(
        [
            (["worker"], environ | {"FIRSTLINE_DATABASE_URL": url.replace("ca.pem", name)})
            for name in told
        ],
        tmp_path,
    )
    for says, found in zip(told.values(), ended, strict=True):
        assert found.code == 1
        assert re.search(f"^{says}", found.err, re.MULTILINE), found.err
        assert "canary7Q2x" not in found.err


# -- contradictions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"username": "u", "password": "p"}, "a Kafka login is set, and .*=PLAINTEXT does not"),
        ({"protocol": "SSL", "password": "p"}, "a Kafka login is set, and .*=SSL does not use it"),
        ({"ca_file": Path("ca")}, "certificates for Kafka are set, and .*=PLAINTEXT does not"),
        ({"protocol": "SASL_PLAINTEXT", "username": "u", "password": "p"}, "anybody on the way"),
        ({"protocol": "SASL_SSL", "password": "p"}, "needs FIRSTLINE_KAFKA_USERNAME"),
        ({"protocol": "SASL_SSL", "username": "u"}, "needs one of FIRSTLINE_KAFKA_PASSWORD and"),
        (
            {"protocol": "SASL_SSL", "username": "u", "password": "p", "password_file": Path("f")},
            "needs one of FIRSTLINE_KAFKA_PASSWORD and",
        ),
        ({"protocol": "SSL", "key_file": Path("k")}, "KEY_FILE is set, and .*CERT_FILE is not"),
        ({"protocol": "SSL", "ca_file": Path("nowhere")}, "nowhere cannot be read"),
        ({"protocol": "SSL", "cert_file": Path("README.md")}, "README.md does not hold what is"),
        (
            {"protocol": "SASL_SSL", "username": "u", "password_file": Path("nowhere")},
            "PASSWORD_FILE: nowhere cannot be read",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    chosen: dict[str, object], says: str
) -> None:
    protocol = Protocol(str(chosen.get("protocol", "PLAINTEXT")))
    with pytest.raises(InsecureKafka, match=says):
        client_arguments(Security(**(chosen | {"protocol": protocol})))  # type: ignore[arg-type]


def test_a_password_is_in_no_text_of_what_holds_it(
    installation: Installation, guarded: Fortress
) -> None:
    settings = installation.settings(guarded.by_login("worker"))
    kafka = settings.kafka(guarded.login)
    assert PASSWORD not in f"{settings!r} {settings!s} {settings._security()!r} {kafka!r}"
    assert kafka.connection()["sasl_plain_password"] == PASSWORD
