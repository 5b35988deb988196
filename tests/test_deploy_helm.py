"""The Helm chart: linted and rendered by helm itself, and what comes out is held against the plain manifests."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

import temp_file_manager
from command_line import SETTINGS
from monitoring import tool
from patience import PATIENCE
from places import DEPLOY
from temp_file_manager.settings import Settings

CHART = DEPLOY / "helm" / "temp-file-manager"
KUBERNETES = "1.34"
PLAIN = DEPLOY / "kubernetes"

FLEET = {"fleet": {"enabled": True, "team": "data"}, "volume": {"claim": "scratch", "mountPath": "/scratch"}}
RULES = '[[rule]]\nname = "reports"\nmatch = ["*.csv"]\nage = "1 d"\n'
VALUES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "claim": {
        "volume": {"claim": "scratch"},
        "settings": {"max_age": "7d", "max_files": 20000000, "secure_delete": True, "cleanup_interval": 0.5},
        "settingsFile": RULES,
        "metrics": {"annotations": False, "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "only", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podLabels": {"team": "data"},
        "podAnnotations": {"seen": "yes"},
    },
    "fleet": FLEET,
    "cron": {**FLEET, "fleet": {**FLEET["fleet"], "cronJob": {"enabled": True}}, "settingsFile": RULES},
    "keda": {
        **FLEET,
        "fleet": {**FLEET["fleet"], "keda": {"enabled": True}},
        "metrics": {"podMonitor": {"enabled": True}},
    },
}
KINDS = {
    "nothing": {"Deployment"},
    "claim": {"Deployment", "ConfigMap", "PodMonitor"},
    "fleet": {"Deployment", "PodDisruptionBudget"},
    "cron": {"CronJob", "ConfigMap"},
    "keda": {"Deployment", "PodDisruptionBudget", "PodMonitor", "TriggerAuthentication", "ScaledObject"},
}

TEXT = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 0}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}


def strict(needed: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return the schema of an object that has no other fields."""
    properties = needed | others
    return {"type": "object", "additionalProperties": False, "required": list(needed), "properties": properties}


def resource(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = strict({"name": TEXT}, labels=LABELS)
    return strict({"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": metadata, "spec": spec})


# The part of the operators' own definitions (0.80 and 2.16) that the chart uses. What brings them by pip brings a
# plug-in for pytest, too, which does not load.
OPERATORS = {
    "PodMonitor": resource(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        strict(
            {
                "selector": strict({"matchLabels": LABELS}),
                "podMetricsEndpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": strict(
                        {"port": TEXT},
                        path={"type": "string", "pattern": "^/"},
                        interval={
                            "type": "string",
                            "pattern": "^(0|(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$",
                        },
                    ),
                },
            }
        ),
    ),
    "TriggerAuthentication": resource(
        "keda.sh/v1alpha1",
        "TriggerAuthentication",
        strict({"secretTargetRef": {"type": "array", "items": strict({"parameter": TEXT, "name": TEXT, "key": TEXT})}}),
    ),
    "ScaledObject": resource(
        "keda.sh/v1alpha1",
        "ScaledObject",
        strict(
            {
                "scaleTargetRef": strict({"name": TEXT}),
                "triggers": {
                    "type": "array",
                    "minItems": 1,
                    "items": strict(
                        {
                            "type": {"const": "postgresql"},
                            "metadata": strict(
                                {"query": TEXT, "targetQueryValue": TEXT}, activationTargetQueryValue=TEXT
                            ),
                        },
                        authenticationRef=strict({"name": TEXT}),
                        metricType={"enum": ["AverageValue", "Value", "Utilization"]},
                    ),
                },
            },
            pollingInterval=WHOLE,
            cooldownPeriod=WHOLE,
            minReplicaCount=WHOLE,
            maxReplicaCount=WHOLE,
            fallback=strict({"failureThreshold": WHOLE, "replicas": WHOLE}),
        ),
    ),
}


def helm(*words: str, values: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    beside = Path(sys.executable).parent / "helm"
    program = str(beside) if beside.exists() else tool("helm")
    command = [program, *words, str(CHART), "--values", "-"]
    text = json.dumps(values)
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)


@cache
def rendered(case: str) -> dict[str, dict[str, Any]]:
    """Return what a case renders, by kind."""
    done = helm("template", "--namespace=here", "cleaner", values=VALUES[case])
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    found = {document["kind"]: document for document in documents}
    assert len(found) == len(documents)
    return found


def pod(case: str) -> dict[str, Any]:
    found = rendered(case)
    spec = found["CronJob"]["spec"]["jobTemplate"]["spec"] if "CronJob" in found else found["Deployment"]["spec"]
    return dict(spec["template"]["spec"])


def container(spec: dict[str, Any]) -> dict[str, Any]:
    (found,) = spec["containers"]
    return dict(found)


def variables(spec: dict[str, Any]) -> dict[str, str]:
    told = {each["name"]: each["value"] for each in container(spec)["env"]}
    assert len(told) == len(container(spec)["env"]), "each once: the last would win"
    return told


@pytest.mark.parametrize("case", VALUES)
def test_helm_finds_nothing_wrong(case: str) -> None:
    done = helm("lint", "--strict", values=VALUES[case])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", VALUES)
def test_what_it_renders_is_what_kubernetes_takes(case: str) -> None:
    found = rendered(case)
    assert set(found) == KINDS[case]
    for document in found.values():
        if document["apiVersion"].split("/")[0] not in ("monitoring.coreos.com", "keda.sh"):
            assert kubernetes_validate.validate(document, KUBERNETES, strict=True) == KUBERNETES


@pytest.mark.parametrize("case", ["claim", "keda"])
def test_what_it_renders_for_operators_is_what_they_take(case: str) -> None:
    checked = set()
    for kind, document in rendered(case).items():
        if kind in OPERATORS:
            jsonschema.validate(document, OPERATORS[kind])
            checked.add(kind)
    assert checked == KINDS[case] & set(OPERATORS)


@pytest.mark.parametrize("case", VALUES)
def test_what_is_set_is_a_setting_and_can_be_used(case: str) -> None:
    ours = {name: value for name, value in variables(pod(case)).items() if not name.startswith("PG")}
    assert set(ours) <= SETTINGS
    settings = Settings.from_env(ours)
    if case == "claim":
        told = (settings.max_age, settings.max_files, settings.secure_delete, settings.cleanup_interval)
        assert told == (604800, 20_000_000, True, 0.5)


@pytest.mark.parametrize("case", VALUES)
def test_pods_are_as_restricted_as_can_be(case: str) -> None:
    spec = pod(case)
    each = container(spec)
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    whole, own = spec["securityContext"], each["securityContext"]
    assert (whole["runAsNonRoot"], whole["seccompProfile"]["type"]) == (True, "RuntimeDefault")
    assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in each["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def plain(name: str) -> dict[str, Any]:
    document = next(yaml.safe_load_all((PLAIN / name).read_text()))
    spec = document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else document["spec"]
    return dict(spec["template"]["spec"])


@pytest.mark.parametrize(
    ("case", "manifest"),
    [("nothing", "deployment.yaml"), ("fleet", "fleet/sweepers.yaml"), ("cron", "fleet/cronjob.yaml")],
)
def test_its_pods_are_those_of_the_plain_manifests(case: str, manifest: str) -> None:
    """But for names of volumes, and a time to answer in."""
    ours, theirs = pod(case), plain(manifest)
    usual = {"TEMP_FILE_MAX_AGE": "3600"}  # the default
    assert variables(ours) | usual == variables(theirs) | usual
    for name in ("securityContext", "terminationGracePeriodSeconds", "restartPolicy"):
        assert ours.get(name) == theirs.get(name), name
    one, other = container(ours), container(theirs)
    for name in ("image", "securityContext", "ports", "startupProbe", "livenessProbe"):
        assert one.get(name) == other.get(name), name
    assert one.get("command", [])[:5] == other.get("command", [])[:5]
    assert {mount["mountPath"] for mount in one["volumeMounts"]} >= {m["mountPath"] for m in other["volumeMounts"]}


def test_what_scales_and_what_may_be_away_is_as_in_the_plain_manifests() -> None:
    theirs = list(yaml.safe_load_all((PLAIN / "fleet" / "keda.yaml").read_text()))[1]["spec"]
    found = rendered("keda")
    ours, name = found["ScaledObject"]["spec"], found["Deployment"]["metadata"]["name"]
    (trigger,) = ours["triggers"]
    assert ours["scaleTargetRef"] == {"name": name}
    assert trigger["authenticationRef"]["name"] == found["TriggerAuthentication"]["metadata"]["name"]
    assert trigger["metadata"] == theirs["triggers"][0]["metadata"]
    for key in ("pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount", "fallback"):
        assert ours[key] == theirs[key]
    assert "replicas" not in found["Deployment"]["spec"], "each upgrade would set it back"
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selector = found["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert found["PodDisruptionBudget"]["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": selector}}
    assert found["PodMonitor"]["spec"]["selector"] == {"matchLabels": selector}
    (endpoint,) = found["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in [port["name"] for port in container(pod("keda"))["ports"]]
    assert rendered("fleet")["Deployment"]["spec"]["replicas"] == 2


def test_a_file_of_settings_comes_to_where_it_is_looked_for(tmp_path: Path) -> None:
    found = rendered("claim")
    (name,) = found["ConfigMap"]["data"]
    args = container(pod("claim"))["args"]
    assert args == ["run", "--config", f"/etc/temp-file-manager/{name}"]
    (tmp_path / name).write_text(found["ConfigMap"]["data"][name])
    assert [rule.name for rule in Settings.from_file(tmp_path / name).rules] == ["reports"]
    assert container(pod("cron"))["command"][-2:] == args[-2:]
    stamps = {
        rendered(case)["Deployment"]["spec"]["template"]["metadata"]["annotations"]["temp-file-manager/settings"]
        for case in ("claim", "nothing")
    }
    assert len(stamps) == 2, "pods are made anew when it changes"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"fleet": {"enabled": True}}, "fleet.enabled takes volume.claim"),
        ({**FLEET, "fleet": {"enabled": True, "keda": {"enabled": True}, "cronJob": {"enabled": True}}}, "choose one"),
        ({"setings": {"max_age": "7d"}}, "setings"),
        ({"settings": {"api_token": "in the open"}}, "api_token"),
        ({"settings": {"Max-Age": 1}}, "Max-Age"),
        ({"settings": {"max_age": {"days": 7}}}, "max_age"),
        ({"fleet": {"registry": "sqlite:"}}, "registry"),
        ({"user": 0}, "user"),
        ({"volume": {"mountPath": "/scratch/"}}, "mountPath"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], why: str) -> None:
    done = helm("template", "cleaner", values=values)
    assert done.returncode != 0
    assert why in done.stderr


def test_it_is_of_the_packages_version() -> None:
    version = temp_file_manager.__version__
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version
    assert re.fullmatch(r"aiecs/temp-file-manager:\d+\.\d+\.\d+", container(pod("nothing"))["image"])


def test_each_value_has_its_schema() -> None:
    """A misspelt value must not pass."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(values: dict[str, Any], part: dict[str, Any]) -> None:
        if "properties" not in part:
            return
        assert part["additionalProperties"] is False
        assert set(values) == set(part["properties"]) - {"global"}
        for name, value in values.items():
            if isinstance(value, dict):
                compare(value, part["properties"][name])

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema)
