"""Kubernetes manifests of a fleet: two sweepers of a volume, the CronJob, and what scales them by the real server."""

import math
import re
from contextlib import closing
from typing import Any
from uuid import uuid4

import kubernetes_validate
import psycopg
import pytest
import yaml

from command_line import SETTINGS
from places import DEPLOY
from temp_file_manager.registry.postgres.sql import load
from temp_file_manager.registry.schemes import parse
from temp_file_manager.settings import Settings

PLACE = DEPLOY / "kubernetes" / "fleet"
KUBERNETES = "1.34"
SWEEPER, BUDGET = yaml.safe_load_all((PLACE / "sweepers.yaml").read_text())
(CRON,) = yaml.safe_load_all((PLACE / "cronjob.yaml").read_text())
AUTHENTICATION, SCALED = yaml.safe_load_all((PLACE / "keda.yaml").read_text())
PODS = {
    "sweepers": SWEEPER["spec"]["template"],
    "cronjob": CRON["spec"]["jobTemplate"]["spec"]["template"],
}

# The fields of KEDA's own definitions, version 2.12 and later, as its reference lists them; nobody brings it by pip.
OF_SCALED = {
    "scaleTargetRef",
    "pollingInterval",
    "cooldownPeriod",
    "initialCooldownPeriod",
    "idleReplicaCount",
    "minReplicaCount",
    "maxReplicaCount",
    "fallback",
    "advanced",
    "triggers",
}
OF_TRIGGER = {"type", "name", "metadata", "authenticationRef", "metricType", "useCachedMetrics"}
OF_POSTGRESQL = {"query", "targetQueryValue", "activationTargetQueryValue"}


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["spec"]["containers"]
    return dict(found)


def variables(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(pod)["env"]}


@pytest.mark.parametrize("document", [SWEEPER, BUDGET, CRON], ids=lambda document: document["kind"])
def test_manifests_are_what_kubernetes_takes(document: dict[str, Any]) -> None:
    assert kubernetes_validate.validate(document, KUBERNETES, strict=True) == KUBERNETES


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_what_is_set_is_a_setting_and_can_be_used(pod: dict[str, Any]) -> None:
    told = variables(pod)
    ours = {name: value for name, value in told.items() if not name.startswith("PG")}
    assert set(ours) <= SETTINGS
    settings = Settings.from_env(ours)
    assert settings.scope == "volume:scratch"
    assert settings.if_unknown is not None  # no kernel knows the other hosts' descriptors
    mounts = {mount["mountPath"] for mount in container(pod)["volumeMounts"]}
    for address in (settings.registry, settings.fleet):
        assert parse(address or "", "/").options["sslmode"] == "verify-full"
    for file in (settings.registry_password_file, told["PGSSLROOTCERT"]):
        assert any(str(file).startswith(f"{mount}/") for mount in mounts)


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_pods_are_as_restricted_as_can_be(pod: dict[str, Any]) -> None:
    spec, each = pod["spec"], container(pod)
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    whole, own = spec["securityContext"], each["securityContext"]
    assert (whole["runAsNonRoot"], whole["seccompProfile"]["type"]) == (True, "RuntimeDefault")
    assert whole["runAsUser"] == whole["runAsGroup"] == whole["fsGroup"] == 10001
    assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in each["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert set(each["resources"]) == {"requests", "limits"}


def test_of_two_sweepers_one_may_be_away() -> None:
    labels = SWEEPER["spec"]["template"]["metadata"]["labels"]
    assert SWEEPER["spec"]["replicas"] == 2
    assert SWEEPER["spec"]["selector"]["matchLabels"] == labels == BUDGET["spec"]["selector"]["matchLabels"]
    assert BUDGET["spec"]["maxUnavailable"] == 1
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container(PODS["sweepers"]))


def test_both_variants_sweep_the_same_by_the_same_settings() -> None:
    alone = {"TEMP_FILE_HTTP_PORT", "ENABLE_TEMP_FILE_METRICS"}
    sweepers = {name: value for name, value in variables(PODS["sweepers"]).items() if name not in alone}
    assert variables(PODS["cronjob"]) == sweepers
    assert PODS["cronjob"]["spec"]["volumes"] == PODS["sweepers"]["spec"]["volumes"]


def test_what_kustomize_is_told_is_there() -> None:
    told = yaml.safe_load((PLACE / "kustomization.yaml").read_text())
    assert all((PLACE / name).is_file() for name in told["resources"])


# -- KEDA


def test_what_scales_names_what_there_is() -> None:
    spec, (trigger,) = SCALED["spec"], SCALED["spec"]["triggers"]
    assert SCALED["apiVersion"] == AUTHENTICATION["apiVersion"] == "keda.sh/v1alpha1"
    assert set(spec) <= OF_SCALED
    assert set(trigger) <= OF_TRIGGER
    assert set(trigger["metadata"]) <= OF_POSTGRESQL
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    assert spec["scaleTargetRef"] == {"name": SWEEPER["metadata"]["name"]}
    assert trigger["type"] == "postgresql"
    assert trigger["metricType"] == "AverageValue"  # which a fallback takes
    assert trigger["authenticationRef"]["name"] == AUTHENTICATION["metadata"]["name"]
    (secret,) = AUTHENTICATION["spec"]["secretTargetRef"]
    assert (set(secret), secret["parameter"]) == ({"parameter", "name", "key"}, "connection")
    assert set(spec["fallback"]) == {"failureThreshold", "replicas"}
    assert spec["minReplicaCount"] == 0


def test_the_count_ends_where_no_more_sweepers_would_be_started() -> None:
    (most,) = {int(found) for found in re.findall(r"LIMIT (3\d{6})", load("005_fleet.sql"))}
    target = float(SCALED["spec"]["triggers"][0]["metadata"]["targetQueryValue"])
    assert SCALED["spec"]["maxReplicaCount"] == math.ceil(most / target)


def test_the_query_is_answered_by_the_real_server_to_who_may_only_look(database: str) -> None:
    query, viewer = SCALED["spec"]["triggers"][0]["metadata"]["query"], f"viewer_{uuid4().hex[:8]}"
    with closing(psycopg.connect(database, autocommit=True)) as owner:
        owner.execute("DO $$ BEGIN CREATE ROLE tfm_view; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        owner.execute(f"CREATE ROLE {viewer} LOGIN IN ROLE tfm_view")  # type: ignore[call-overload]
        owner.execute("SELECT tfm.grant_fleet()")
        try:
            with closing(psycopg.connect(f"{database} user={viewer}", autocommit=True)) as asked:
                assert asked.execute(query).fetchall() == [(0,)]
                owner.execute(
                    "WITH made AS ("
                    "INSERT INTO tfm.scopes (name, kind) VALUES ('volume:scratch', 'volume') RETURNING *) "
                    "INSERT INTO tfm.files (scope, owner, path, registered_at) SELECT id, 1, '\\x61', 0 FROM made"
                )
                ((answer,),) = asked.execute(query)
                assert (answer, type(answer)) == (1, int)
        finally:
            owner.execute(f"DROP ROLE {viewer}")  # type: ignore[call-overload]
