"""What is in ``deploy/``, checked by the tools of its trade, and carried out as far as that goes without an engine."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import container
from command_line import SETTINGS
from container import Image, running, until
from monitoring import DASHBOARD, OF_INSTANCE, QUERIES, RULES, dashboard_queries, tool
from patience import HUNG, PATIENCE
from places import DEPLOY, ROOT
from temp_file_manager.settings import Settings
from temp_file_manager.version import VERSION

COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
UNIT = DEPLOY / "systemd" / "temp-file-manager.service"
UNIT_FOR_USERS = DEPLOY / "systemd" / "temp-file-manager@.service"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = "1.34"

pytestmark = pytest.mark.timeout(HUNG)  # building the image asks a package index, step by step

# Section 7.1 whole, but for LOG_FILE: a container's log is what it writes, and its root is read-only.
SPECIFICATION = {
    "TEMP_FILE_BASE_DIR": "/tmp/aiecs_temp",
    "TEMP_FILE_MAX_AGE": "3600",
    "TEMP_FILE_CLEANUP_INTERVAL": "300",
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    "MAX_TEMP_FILES": "10000",
    "TEMP_FILE_SIZE_LIMIT": "104857600",
    "TEMP_FILE_CLEANUP_BATCH_SIZE": "100",
    "TEMP_FILE_CLEANUP_THREADS": "4",
    "TEMP_FILE_CLEANUP_TIMEOUT": "30",
    "TEMP_FILE_SECURE_DELETE": "true",
    "TEMP_FILE_PERMISSION_MASK": "0600",
    "TEMP_FILE_OWNER_CHECK": "true",
    "ENABLE_TEMP_FILE_METRICS": "true",
    "METRICS_BACKEND": "prometheus",
    "PROMETHEUS_PORT": "9090",
}


def said(*words: str | Path) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in documents(path):
            if document["kind"] == "Deployment":
                yield path.name, document["spec"]["template"]["spec"]


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in [*pod.get("initContainers", []), *pod["containers"]]}


def variables(each: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in each["env"]}


# -- what they say


def test_what_is_set_is_a_setting_and_can_be_used() -> None:
    places = [service.get("environment", {}) for service in COMPOSE["services"].values()]
    places += [variables(each) for _, pod in pods() for each in containers(pod).values()]
    for unit in (UNIT, UNIT_FOR_USERS):
        lines = unit_lines("Environment=", unit)
        places.append(dict(line.removeprefix("Environment=").split("=", 1) for line in lines))
    told = 0
    for place in places:
        ours = {name: value for name, value in place.items() if not name.startswith("GF_")}
        assert set(ours) <= SETTINGS
        Settings.from_env(ours)
        told += len(ours)
    assert told > 20


def test_images_have_versions() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [each["image"] for _, pod in pods() for each in containers(pod).values()]
    assert {image for image in images if image.startswith("aiecs/")} == {f"aiecs/temp-file-manager:{VERSION}"}
    for image in images:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", image)


def test_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    said(hadolint, DEPLOY / "docker" / "Dockerfile")


def test_compose() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"\d+:\d+", service["user"])
        assert service["user"].split(":")[0] != "0"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert "healthcheck" in service
        assert set(service.get("depends_on", [])) <= set(services)
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (DEPLOY / "compose" / source).exists() if "/" in source else source in COMPOSE["volumes"]
    manager = services["manager"]
    assert (DEPLOY / "compose" / manager["build"]["context"] / manager["build"]["dockerfile"]).is_file()
    assert manager["user"] == services["application"]["user"]
    ignored = (DEPLOY / "compose" / ".gitignore").read_text().split()
    assert Path(COMPOSE["secrets"]["api_token"]["file"]).name in ignored


@pytest.mark.beyond_ci  # neither pip nor Debian brings Docker's own
def test_compose_according_to_docker() -> None:
    plugin = ["docker", "compose", "version"]
    if shutil.which("docker") is None or subprocess.run(plugin, capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not there: its own check was not tried, only ours")
    said("docker", "compose", "-f", DEPLOY / "compose" / "compose.yaml", "config", "-q")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests(path: Path) -> None:
    for document in documents(path):
        assert kubernetes_validate.validate(document, KUBERNETES, strict=True) == KUBERNETES


@pytest.mark.parametrize(("name", "pod"), list(pods()))
def test_pods_are_as_restricted_as_can_be(name: str, pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # which sets variables named after Services
    whole = pod["securityContext"]
    assert (whole["runAsNonRoot"], whole["seccompProfile"]["type"]) == (True, "RuntimeDefault")
    assert whole["runAsUser"] == whole["runAsGroup"] == whole["fsGroup"] == 10001
    for each in containers(pod).values():
        own = each["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in each["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}


def test_the_deployment_is_the_specifications() -> None:
    deployment, service = documents(DEPLOY / "kubernetes" / "deployment.yaml")
    assert (deployment["apiVersion"], deployment["metadata"]["name"]) == ("apps/v1", "temp-file-manager")
    assert deployment["spec"]["replicas"] == 1
    labels = {"app": "temp-file-manager"}
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    (each,) = deployment["spec"]["template"]["spec"]["containers"]
    assert each["resources"] == {
        "requests": {"memory": "128Mi", "cpu": "100m"},
        "limits": {"memory": "256Mi", "cpu": "200m"},
    }
    assert {"name": "temp-storage", "mountPath": "/tmp/aiecs_temp"} in each["volumeMounts"]
    assert {"name": "temp-storage", "emptyDir": {}} in deployment["spec"]["template"]["spec"]["volumes"]
    assert Path(variables(each)["TEMP_FILE_BASE_DIR"]).parent == Path("/tmp/aiecs_temp")
    assert variables(each)["TEMP_FILE_MAX_AGE"] == "3600"


def test_on_a_bare_empty_dir_it_says_in_a_line_what_to_change(tmp_path: Path) -> None:
    """The specification's own Deployment: the volume is the base, and all users may write to its top (mode 0777)."""
    volume = tmp_path / "aiecs_temp"
    volume.mkdir()
    volume.chmod(0o777)
    variables = {"TEMP_FILE_BASE_DIR": str(volume), "TEMP_FILE_MAX_AGE": "3600"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TEMP_FILE_")} | variables
    command = [sys.executable, "-m", "aiecs.tools.temp_file_manager"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "all users may change what is in it" in line
    assert "take that right away (chmod o-w)" in line
    volume.chmod(0o775)
    told = subprocess.run([*command, "stats"], env=environ, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


# -- the unit


def unit_lines(start: str, unit: Path = UNIT) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line.startswith(start)]


@pytest.mark.parametrize("unit", [UNIT, UNIT_FOR_USERS], ids=lambda unit: unit.name)
def test_unit(unit: Path, tmp_path: Path) -> None:
    """The program of the unit has to be there: here it is this environment's."""
    command = Path(sys.executable).parent / "temp-file-manager"
    here = tmp_path / unit.name.replace("@", "@daemon")
    here.write_text(unit.read_text().replace("/opt/temp-file-manager/bin/temp-file-manager", str(command)))
    assert str(command) in here.read_text()
    analyze = tool("systemd-analyze")
    assert said(analyze, "verify", here) == ""
    said(analyze, "security", "--offline=true", "--threshold=20", here)


def test_the_unit_for_each_user_differs_by_its_user_alone() -> None:
    def told(unit: Path) -> list[str]:
        return [line for line in unit.read_text().splitlines() if line and line[0] not in "#["]

    one, all_users = told(UNIT), told(UNIT_FOR_USERS)
    names = ("Description", "User", "Group", "Environment", "EnvironmentFile", "RuntimeDirectory", "ReadWritePaths")
    common = [[line for line in lines if line.split("=")[0] not in names] for lines in (one, all_users)]
    assert common[0] == common[1]
    its_own = [line for line in all_users if line.split("=")[0] in names and line != "ReadWritePaths=/tmp"]
    assert [line for line in its_own if "%i" not in line] == ["EnvironmentFile=-/etc/default/temp-file-manager"]
    # As whoever may write to a sticky /tmp, it makes its own directory there. Root would follow another one's link.
    assert not [line for line in all_users if line.startswith("Exec") and "=+" in line]


def test_the_units_tell_systemd_how_they_are() -> None:
    for unit in (UNIT, UNIT_FOR_USERS):
        assert unit_lines("Type=", unit) == ["Type=notify"]
        assert unit_lines("WatchdogSec=", unit) == ["WatchdogSec=10min"]
        assert unit_lines("ExecReload=", unit) == ["ExecReload=/bin/kill -HUP $MAINPID"]
        assert "AF_UNIX" in unit_lines("RestrictAddressFamilies=", unit)[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
def test_its_directory_is_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("aiecs:x:10001:10001::/:/bin/false\n")
    (tmp_path / "etc" / "group").write_text("aiecs:x:10001:\n")
    (tmp_path / "tmp").mkdir(mode=0o1777)
    lines = (DEPLOY / "systemd" / "temp-file-manager.tmpfiles.conf").read_text()
    (tmp_path / "etc" / "tmpfiles.d").mkdir()
    (tmp_path / "etc" / "tmpfiles.d" / "temp-file-manager.conf").write_text(lines)
    said(tool("systemd-tmpfiles"), "--create", f"--root={tmp_path}", "temp-file-manager.conf")
    made = (tmp_path / "tmp" / "aiecs_temp").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == (0o700, 10001, 10001)


# -- Prometheus and Grafana


def test_rules_and_configuration() -> None:
    promtool = tool("promtool")
    said(promtool, "check", "rules", RULES)
    said(promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert "SUCCESS" in said(promtool, "test", "rules", DEPLOY / "prometheus" / "tests.yml")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_each_alert_says_what_to_do() -> None:
    assert len(alerts()) == 9
    tested = (DEPLOY / "prometheus" / "tests.yml").read_text()
    for alert in alerts():
        told = alert["annotations"]
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert "`temp-file-manager " in told["description"]
        assert told["summary"]
        assert f"alertname: {alert['alert']}\n" in tested


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_the_runbook_has_a_heading_for_it(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_dashboard(tmp_path: Path) -> None:
    assert set(QUERIES) <= set(dashboard_queries())
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "temp_file_manager.yaml").read_text())["providers"]
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in (panel, *panel["targets"])}
    assert used == {"${datasource}"}
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in COMPOSE["services"]["grafana"]["volumes"]
    assert source["url"] == "http://prometheus:9090"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_dashboard_can_be_chosen_on_and_changed() -> None:
    assert DASHBOARD["editable"] is True
    chosen = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert list(chosen) == ["datasource", "base", "instance"]
    assert (chosen["datasource"]["type"], chosen["datasource"]["query"]) == ("datasource", "prometheus")
    assert chosen["base"]["query"]["query"] == "label_values(temp_file_manager_info, base)"
    # Instances are those of the chosen bases, and every panel is of the chosen instances.
    assert chosen["instance"]["query"]["query"] == 'label_values(temp_file_manager_info{base=~"$base"}, instance)'
    assert all(one["multi"] and one["includeAll"] for name, one in chosen.items() if name != "datasource")
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            bare = re.sub(r"(?:temp_file|process_|cleanup_)[a-z_]+" + re.escape(OF_INSTANCE), "", target["expr"])
            assert not re.search(r"temp_file|process_|cleanup_", bare), target["expr"]


def test_each_panel_has_one_unit_and_says_what_it_shows() -> None:
    """What is a rate, a share or a state is on no axis with what is none."""
    for panel in DASHBOARD["panels"]:
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert not panel["fieldConfig"]["overrides"]
        assert panel["title"]
        assert panel["description"].endswith(".")
        kinds = {unit_of(target["expr"]) for target in panel["targets"]}
        assert len(kinds) == 1, (panel["title"], kinds)
        rates = {"ops", "Bps"}
        assert (kinds == {"a second"}) == (panel["fieldConfig"]["defaults"]["unit"] in rates), panel["title"]


def unit_of(query: str) -> str:
    """Return what a query is measured in, as the names of its metrics tell."""
    query = query.replace(OF_INSTANCE, "").split(" and on")[0]
    if query.startswith("rate(") and " / " not in query:
        return "a second"
    if "_seconds" in query:
        return "seconds"
    if " / " in query or "_ratio" in query:
        return "of 1"
    states = ("_up", "_paused", "_refused", "_unmet")
    return "bytes" if query.endswith("_bytes") else "state" if query.endswith(states) else "files"


def test_the_dashboards_queries_can_be_read(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(dashboard_queries())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    said(tool("promtool"), "check", "rules", tmp_path / "rules.yml")


# -- the image, carried out


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    missing = [name for name in ("unshare", "nsenter", "setpriv") if shutil.which(name) is None]
    able = os.geteuid() == 0 and not missing
    reason = f"the image was not tried: it takes root, overlayfs and {', '.join(missing) or 'the right to mount'}"
    folder = tmp_path_factory.mktemp("image")
    if able:
        with container.built(ROOT, DEPLOY / "docker" / "Dockerfile", folder) as made:
            if made is not None:
                yield made
                return
    assert os.geteuid() or "CI" not in os.environ, reason
    pytest.skip(reason)


def test_no_more_than_the_package_is_sent_to_the_build(tmp_path: Path) -> None:
    sent = container.context(ROOT, tmp_path)
    assert {path.name for path in sent.iterdir()} == {"LICENSE", "README.md", "pyproject.toml", "src"}
    assert not list(sent.rglob("*.pyc"))


def test_the_image_holds_the_package_and_no_cache(image: Image) -> None:
    assert not list((image.root / "dist").iterdir())  # the wheel was lent
    site = next((image.root / "venv" / "lib").glob("python*")) / "site-packages"
    assert {"temp_file_manager", "aiecs", "msgspec", "starlette", "uvicorn", "prometheus_client", "rich"} <= {
        path.name for path in site.iterdir()
    }


def test_the_image_runs_by_the_specifications_variables_alone(image: Image, tmp_path: Path) -> None:
    """As ``docker run --read-only --tmpfs /tmp``: as a user without a name, with pid 1 and nothing else to write to."""
    with running(image, tmp_path / "log", env=SPECIFICATION) as service:
        until(lambda: service.get("http://127.0.0.1:9090/readyz") == 200)
        assert service.execute("touch", "/tried").returncode != 0
        assert service.execute("id", "-u").stdout == "10001\n"
        made = service.execute("stat", "-c", "%u %a", "/tmp/aiecs_temp")
        assert made.stdout == "10001 700\n"
        assert service.execute("sh", "-c", "echo 1 > /tmp/aiecs_temp/report").returncode == 0
        registered = service.execute("temp-file-manager", "register", "/tmp/aiecs_temp/report")
        assert registered.returncode == 0, registered.stderr
        assert service.execute(*image.healthcheck).returncode == 0
        test = COMPOSE["services"]["manager"]["healthcheck"]["test"]
        assert test[0] == "CMD"
        assert service.execute(*test[1:]).returncode == 0
        for url in ("http://127.0.0.1:9090/metrics", "http://127.0.0.1:9090/livez", "http://127.0.0.1:8080/"):
            assert service.get(url) == 200
        assert service.stop() == 0, service.log.read_text()


def test_its_health_check(image: Image, tmp_path: Path) -> None:
    """Degraded counts as healthy, and what is reserved by Docker is never answered."""
    for number, (variables_, code) in enumerate(
        [
            ({"MAX_TEMP_FILES": "1"}, 0),
            ({"TEMP_FILE_BASE_DIR": "/etc"}, 1),
            ({"TEMP_FILE_MAX_AGE": "never"}, 1),
        ]
    ):
        env = {"TEMP_FILE_BASE_DIR": "/tmp/base"} | variables_
        with running(image, tmp_path / f"log{number}", "60", env=env, entrypoint=["sleep"]) as idle:
            program = "cd /tmp && touch a b && TEMP_FILE_BASE_DIR=/tmp/base temp-file-manager register a b"
            idle.execute("env", "-u", "TEMP_FILE_MAX_AGE", "sh", "-c", program)
            done = idle.execute(*image.healthcheck)
            assert done.returncode == code, done.stdout + done.stderr


def volumes_of(pod: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Make what a kubelet makes of a pod's emptyDirs: everybody may write to them, and their group is ``fsGroup``."""
    for volume in pod["volumes"]:
        assert "emptyDir" in volume
        directory = folder / volume["name"]
        directory.mkdir()
        os.chown(directory, 0, pod["securityContext"]["fsGroup"])
        directory.chmod(0o2777)
    return {volume["name"]: folder / volume["name"] for volume in pod["volumes"]}


def of_pod(image: Image, log: Path, pod: dict[str, Any], name: str, volumes: dict[str, Path], **more: str) -> Any:
    each, whole = containers(pod)[name], pod["securityContext"]
    mounts = sorted((mount["mountPath"], volumes[mount["name"]]) for mount in each["volumeMounts"])
    return running(
        image,
        log,
        *each.get("args", []),
        env=variables(each) | more,
        volumes=dict(mounts),
        user=f"{whole['runAsUser']}:{whole['runAsGroup']}",
        group=whole["fsGroup"],
        entrypoint=each.get("command"),
    )


def test_the_pod(image: Image, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    pod = dict(pods())["deployment.yaml"]
    volumes = volumes_of(pod, tmp_path)
    each = containers(pod)["temp-file-manager"]
    with of_pod(image, tmp_path / "log", pod, "temp-file-manager", volumes) as service:
        (port,) = [port["containerPort"] for port in each["ports"]]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = each[probe]["httpGet"]
            assert asked["port"] == "metrics"
            until(lambda path=asked["path"]: service.get(f"http://127.0.0.1:{port}{path}") == 200)  # type: ignore[misc]
        base = (volumes["temp-storage"] / "temp-files").stat()
        assert (base.st_uid, base.st_mode & 0o777) == (10001, 0o700)
        assert service.stop() == 0, service.log.read_text()
    # A restart of the container finds the same volume.
    with of_pod(image, tmp_path / "log", pod, "temp-file-manager", volumes) as service:
        until(lambda: service.get(f"http://127.0.0.1:{port}/readyz") == 200)


def test_the_sidecar_removes_what_its_application_leaves_and_nothing_it_has_open(image: Image, tmp_path: Path) -> None:
    """In pid namespaces of their own: the kernel knows who has a file open all the same."""
    tmp_path.chmod(0o755)
    pod = dict(pods())["sidecar.yaml"]
    volumes = volumes_of(pod, tmp_path)
    base = volumes["temp-storage"] / "temp-files"
    application = containers(pod)["application"]
    (program,) = application["args"]
    sooner = program.replace("ttl=60", "ttl=0.2").replace("sleep(10)", "sleep(0.1)")
    assert sooner.count("0.") == 2
    held = sooner.replace("while True:", "open_file, _ = manager.mkstemp(suffix='.open', ttl=0.2)\nwhile True:")
    application["args"] = [held]
    interval = {"TEMP_FILE_CLEANUP_INTERVAL": "0.3"}
    with of_pod(image, tmp_path / "log", pod, "temp-file-manager", volumes, **interval) as manager:
        until(lambda: manager.get("http://127.0.0.1:9090/livez") == 200)
        with of_pod(image, tmp_path / "application", pod, "application", volumes) as running_application:
            (open_file,) = until(lambda: list(base.glob("*.open")))
            seen: set[str] = set()
            deadline = time.monotonic() + PATIENCE
            while len(seen - {path.name for path in base.glob("*.report")}) < 10:
                seen |= {path.name for path in base.glob("*.report")}
                assert time.monotonic() < deadline, (tmp_path / "application").read_text() + manager.log.read_text()
                time.sleep(0.05)
            assert open_file.exists()
            assert running_application.stop() == 0
        # A file in use is looked at again after a while; who asks does not wait for that.
        assert manager.execute("temp-file-manager", "sweep").returncode == 0
        assert not open_file.exists()
        until(lambda: not list(base.glob("*.report")))
        assert manager.stop() == 0


def test_registering_over_a_unix_socket_as_the_page_says(image: Image, tmp_path: Path) -> None:
    tool("curl")
    tmp_path.chmod(0o755)
    page = (ROOT / "docs" / "deployment.md").read_text()
    section = page[page.index("### Over a Unix socket") : page.index("## systemd")]
    told = dict(re.findall(r"^    (TEMP_FILE_\w+)=(\S+)$", section, re.MULTILINE))
    (command,) = re.findall(r"^    (curl .*(?:\n {8}.*)*)$", section, re.MULTILINE)
    pod = dict(pods())["sidecar.yaml"]
    volumes = volumes_of(pod, tmp_path) | {"token": tmp_path / "secret"}
    volumes["token"].mkdir(mode=0o755)
    token = Path(told["TEMP_FILE_API_TOKEN_FILE"])
    (volumes["token"] / token.name).write_text("0123456789abcdef0123456789abcdef\n")
    (volumes["token"] / token.name).chmod(0o440)
    os.chown(volumes["token"] / token.name, 0, 10001)
    sidecar = containers(pod)["temp-file-manager"]
    sidecar["volumeMounts"].append({"name": "token", "mountPath": str(token.parent)})
    with of_pod(image, tmp_path / "log", pod, "temp-file-manager", volumes, **told) as manager:
        until(lambda: manager.get("http://127.0.0.1:9090/readyz") == 200)
        base = variables(sidecar)["TEMP_FILE_BASE_DIR"]
        done = manager.execute("sh", "-c", f"echo 1 > {base}/report && {command}")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"registered": 1, "oversized": 0, "refused": []}
        assert manager.execute("temp-file-manager", "status", f"{base}/report").returncode == 0


def test_compose_and_kubernetes_show_the_same_application() -> None:
    (program,) = containers(dict(pods())["sidecar.yaml"])["application"]["args"]
    assert COMPOSE["services"]["application"]["command"] == [program]


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces")
def test_two_containers_have_the_same_pid_and_keep_from_each_others_claims(tmp_path: Path) -> None:
    """Both are pid 1: what one has claimed is not the other's, and is free as soon as the one is killed."""
    path = tmp_path / "file"
    path.touch()
    opened = (
        "import sys; from temp_file_manager import TempFileManager; "
        f"m = TempFileManager({str(tmp_path / 'base')!r}, registry='sqlite:'); m.registry.patience = 0.0; "
    )
    claims = opened + (
        f"m.register_file({str(path)!r}); m.registry.claim(m.context.due(force=True), now=0, lease=60, limit=1); "
        "print('claimed', flush=True); sys.stdin.read()"
    )
    registers = opened + f"print(m.register_files([{str(path)!r}]).registered)"
    container = ("unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c")
    with subprocess.Popen([*container, claims], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "claimed\n"
        assert said(*container, registers).startswith("0\n")
        one.kill()
    assert said(*container, registers) == "1\n"
