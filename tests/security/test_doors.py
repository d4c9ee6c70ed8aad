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
from tests.outside.forking import Ended
from tests.program.running import run_all, running
from tests.security.fortress import PASSWORD, Fortress, speaks_tls
from tests.security.installation import Installation

WRONG_PASSWORD = "canary7Q2x-but-wrong"


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

UNREACHABLE = "(Kafka does not agree to TLS there|Kafka cannot be reached); look at .*"
REFUSED = {
    "a wrong password": "Kafka refuses the login; look at FIRSTLINE_KAFKA_USERNAME, its password.*",
    "a wrong password in a file": "Kafka refuses the login; .*",
    "an authority that Kafka has not": r"Kafka's certificate is not trusted \(.*\); look at .*",
    "no certificate": UNREACHABLE,
    "a door that speaks no TLS": UNREACHABLE,
    "a login in the open": "FIRSTLINE_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT logs in over a .*",
}
REFUSED_BY_POSTGRES = {
    "an authority that Postgres has not": "a server cannot be reached .*certificate verify fail.*",
    "no file of authorities": "a file that FIRSTLINE_DATABASE_URL names is not there: .*",
}


@pytest.fixture(scope="module")
def ended(
    installation: Installation, guarded: Fortress, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Ended]:
    """What `firstline worker` came to, for each thing that may be wrong with its environment."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "password").write_text(f"{WRONG_PASSWORD}\n")
    right = installation.environ(guarded.by_login("worker"))
    another = str(guarded.folder / "another-ca.pem")
    by_file = {name: value for name, value in right.items() if name != "FIRSTLINE_KAFKA_PASSWORD"}
    certified = installation.environ(guarded.by_certificate())
    url = right["FIRSTLINE_DATABASE_URL"]
    wrong: dict[str, Mapping[str, str]] = {
        "a wrong password": right | {"FIRSTLINE_KAFKA_PASSWORD": WRONG_PASSWORD},
        "a wrong password in a file": by_file
        | {"FIRSTLINE_KAFKA_PASSWORD_FILE": str(folder / "password")},
        "an authority that Kafka has not": right | {"FIRSTLINE_KAFKA_CA_FILE": another},
        "no certificate": {
            name: value for name, value in certified.items() if not name.endswith("_CERT_FILE")
        },
        "a door that speaks no TLS": right | {"FIRSTLINE_KAFKA_BOOTSTRAP": guarded.open_login},
        "a login in the open": right | {"FIRSTLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
        "an authority that Postgres has not": right
        | {"FIRSTLINE_DATABASE_URL": url.replace("ca.pem", "another-ca.pem")},
        "no file of authorities": right
        | {"FIRSTLINE_DATABASE_URL": url.replace("ca.pem", "nowhere.pem")},
    }
    if not speaks_tls():
        wrong = {name: wrong[name] for name in REFUSED}
    found = run_all([(["worker"], environ) for environ in wrong.values()], folder)
    return dict(zip(wrong, found, strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_who_does_not_get_in_is_told_why_and_no_secret_is_shown(
    ended: Mapping[str, Ended], name: str
) -> None:
    is_a_sentence(ended[name], REFUSED[name])


@pytest.mark.skipif(not speaks_tls(), reason="this machine's Postgres was built without TLS")
@pytest.mark.parametrize("name", REFUSED_BY_POSTGRES)
def test_a_postgres_that_cannot_be_trusted_is_not_connected_to(
    ended: Mapping[str, Ended], name: str
) -> None:
    is_a_sentence(ended[name], REFUSED_BY_POSTGRES[name])


def is_a_sentence(found: Ended, says: str) -> None:
    assert found.code == 1
    assert re.search(f"^firstline: {says}$", found.err, re.MULTILINE), found.err
    assert "canary7Q2x" not in found.out + found.err


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
