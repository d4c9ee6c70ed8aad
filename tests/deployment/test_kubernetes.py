"""The manifests: what Kubernetes takes, what runs in a container, and that the parts fit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import ValidationError

from firstline.commands import working
from firstline.settings import Settings
from producers import topics

HERE = Path(__file__).parent
DEPLOY = HERE.parents[1] / "deploy"
RELEASE = "1.34"
SCALED_OBJECT = json.loads((HERE / "scaled_object.schema.json").read_text())
MANIFESTS: dict[str, dict[str, Any]] = {
    f"{file.stem}: {manifest['kind']}": manifest
    for file in sorted(DEPLOY.glob("*.yaml"))
    for manifest in yaml.safe_load_all(file.read_text())
}
PODS = {
    name: manifest["spec"]["template"]["spec"]
    for name, manifest in MANIFESTS.items()
    if manifest["kind"] in {"Deployment", "Job"}
}
CONTAINERS = {name: container for name, pod in PODS.items() for container in pod["containers"]}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_its_schema_says(name: str) -> None:
    check(MANIFESTS[name])


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_manifest_needs_no_merging(file: Path) -> None:
    """Strict readers, as kubeconform's, take a merged key that is set again for a doubled one."""
    tokens = yaml.scan(file.read_text())
    assert [one for one in tokens if isinstance(one, yaml.AliasToken)] == []


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_misspelt_field_is_noticed(name: str) -> None:
    manifest = MANIFESTS[name]
    part = "spec" if "spec" in manifest else "metadata"
    with pytest.raises((ValidationError, jsonschema.ValidationError)):
        check({**manifest, part: {**manifest[part], "lables": {}}})


@pytest.mark.parametrize("name", PODS)
def test_nothing_runs_as_root_or_finds_a_token(name: str) -> None:
    assert PODS[name]["securityContext"]["runAsNonRoot"] is True
    assert PODS[name]["securityContext"]["runAsUser"] == 10001
    assert PODS[name]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_writes_to_memory_alone_and_may_do_nothing(name: str) -> None:
    assert CONTAINERS[name]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(volume["emptyDir"]["medium"] == "Memory" for volume in PODS[name]["volumes"])


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_bounds_of_memory(name: str) -> None:
    assert set(CONTAINERS[name]["resources"]) == {"requests", "limits"}


def test_a_container_runs_a_command_that_there_is() -> None:
    commands = {name: container["args"] for name, container in CONTAINERS.items()}
    assert commands == {
        "prepare: Job": ["prepare"],
        "relay: Deployment": ["relay"],
        "worker: Deployment": ["worker", "--no-relay", "--leave"],
    }
    assert callable(working.worker)
    assert callable(working.relay)


@pytest.mark.parametrize("name", ["worker: Deployment", "relay: Deployment"])
def test_what_runs_on_shows_that_it_is_alive_where_the_probes_look(name: str) -> None:
    file = MANIFESTS["settings: ConfigMap"]["data"]["FIRSTLINE_ALIVE_FILE"]
    for probe in ("startupProbe", "livenessProbe"):
        assert file in CONTAINERS[name][probe]["exec"]["command"][-1]
    assert any(file.startswith(one["mountPath"]) for one in CONTAINERS[name]["volumeMounts"])


@pytest.mark.parametrize("name", ["worker: Deployment", "relay: Deployment"])
def test_metrics_are_served_at_the_port_that_is_named(name: str) -> None:
    address = MANIFESTS["settings: ConfigMap"]["data"]["FIRSTLINE_HTTP_ADDRESS"]
    (port,) = CONTAINERS[name]["ports"]
    assert (port["name"], address) == ("metrics", f"0.0.0.0:{port['containerPort']}")


@pytest.mark.parametrize("name", PODS)
def test_the_time_to_drain_is_granted(name: str) -> None:
    assert PODS[name].get("terminationGracePeriodSeconds", 30) >= 30


def test_the_settings_are_settings() -> None:
    given = {
        **MANIFESTS["settings: ConfigMap"]["data"],
        **MANIFESTS["settings: Secret"]["stringData"],
    }
    known = {f"FIRSTLINE_{name.upper()}" for name in Settings.model_fields}
    assert set(given) <= known
    Settings.model_validate(
        {name.removeprefix("FIRSTLINE_").lower(): value for name, value in given.items()}
    )


@pytest.mark.parametrize("part", ["worker", "relay"])
def test_a_budget_covers_the_pods_of_its_deployment(part: str) -> None:
    labels = MANIFESTS[f"{part}: Deployment"]["spec"]["template"]["metadata"]["labels"]
    selected = MANIFESTS[f"{part}: PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert MANIFESTS[f"{part}: Deployment"]["spec"]["selector"]["matchLabels"] == selected
    assert selected.items() <= labels.items()


def test_workers_are_scaled_by_the_lag_of_what_they_read() -> None:
    settings = MANIFESTS["settings: ConfigMap"]["data"]
    prefix = settings["FIRSTLINE_TOPIC_PREFIX"]
    spec = MANIFESTS["scaling: ScaledObject"]["spec"]
    assert spec["scaleTargetRef"]["name"] == MANIFESTS["worker: Deployment"]["metadata"]["name"]
    assert spec["maxReplicaCount"] == int(settings["FIRSTLINE_PARTITIONS"])
    assert [one["metadata"]["topic"] for one in spec["triggers"]] == [
        f"{prefix}{name}"
        for name in (
            topics.CHAT_COMMANDS,
            topics.PSA_COMMANDS,
            topics.INTERNAL_COMMANDS,
            topics.TICKET_EVENTS,
        )
    ]
    assert {one["metadata"]["consumerGroup"] for one in spec["triggers"]} == {f"{prefix}worker"}
    assert {one["metadata"]["bootstrapServers"] for one in spec["triggers"]} == {
        settings["FIRSTLINE_KAFKA_BOOTSTRAP"]
    }


def test_the_page_tells_of_every_file() -> None:
    page = (DEPLOY / "README.md").read_text()
    assert [name for name in files() if f"| `{name}` |" not in page] == []


def files() -> Iterator[str]:
    """The manifests, by their files."""
    for file in sorted(DEPLOY.glob("*.yaml")):
        yield file.name


def check(manifest: dict[str, Any]) -> None:
    """Raise where the manifest is not what its kind has, unknown fields included."""
    if manifest["kind"] == "ScaledObject":
        jsonschema.validate(manifest, SCALED_OBJECT)
    else:
        kubernetes_validate.validate(manifest, RELEASE, strict=True)
