"""The unit under a real systemd: started, reloaded, watched. (A user's manager, in a mount namespace of its own.)"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment
from monitoring import tool
from patience import PATIENCE, WHOLE
from places import DEPLOY, ROOT

UNIT = DEPLOY / "systemd" / "temp-file-manager.service"
SYSTEMD = Path("/lib/systemd/systemd")
KEPT = ("Type=", "ExecReload=", "KillSignal=", "TimeoutStopSec=", "UMask=")
"""What is tried of the unit; what protects the machine from it takes the system's own manager."""

# Where it looks whether systemd runs, /run, is a place of this namespace's own. The watchdog is a hasty one only when
# the service is stopped: on a busy machine one that is well may be late, and would be killed.
SCRIPT = """
settings=$1 systemd=$2 patience=$3
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user || exit 77
export XDG_RUNTIME_DIR=/run/user
"$systemd" --user --unit=basic.target >/dev/null 2>&1 &
trap "kill $!" EXIT
ours="systemctl --user"
wait_for() {
    end=$(($(date +%s) + patience))
    until "$@" >/dev/null 2>&1; do [ "$(date +%s)" -lt "$end" ] || return; sleep 0.05; done
}
is() { [ "$($ours show tfm -p "$1" --value)" = "$2" ]; }
wait_for $ours list-units || exit 77
$ours start tfm && echo "started: $($ours is-active tfm)"
echo '[manager]\nmax_age = "never"' >"$settings"
$ours reload tfm
$ours show tfm -p StatusText --value
pid=$($ours show tfm -p MainPID --value)
[ "$pid" -gt 1 ] || exit 1
kill -STOP "$pid"
NOTIFY_SOCKET=$XDG_RUNTIME_DIR/systemd/notify systemd-notify --pid="$pid" WATCHDOG_USEC=100000
wait_for is Result watchdog && echo "stopped: $($ours show tfm -p Result --value)"
$ours reset-failed tfm
echo '[manager]\nmax_age = 60' >"$settings"
$ours start tfm && $ours stop tfm && echo "ended: $($ours show tfm -p Result --value)"
"""


def test_systemd_hears_how_it_is(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not SYSTEMD.exists():
        pytest.skip("no unit was started: that takes root and systemd")
    settings, units = tmp_path / "settings.toml", tmp_path / "systemd" / "user"
    units.mkdir(parents=True)
    settings.write_text("[manager]\nmax_age = 60\n")
    program = Path(sys.executable).parent / "temp-file-manager"
    lines = [line for line in UNIT.read_text().splitlines() if line.startswith(KEPT)]
    assert len(lines) == len(KEPT)
    told = {"TEMP_FILE_BASE_DIR": tmp_path / "base", "TEMP_FILE_HTTP_PORT": "off", "PYTHONPATH": ROOT / "src"}
    lines += [f"Environment={name}={value}" for name, value in told.items()]
    lines += [f"WatchdogSec={PATIENCE}", f"ExecStart={program} run --config {settings}"]
    (units / "tfm.service").write_text("\n".join(["[Service]", *lines, ""]))
    command = [tool("unshare"), "--mount", "--propagation=private", "dash", "-c", SCRIPT, "sh"]
    command += [str(settings), str(SYSTEMD), str(int(PATIENCE))]
    done = subprocess.run(
        command,
        env=environment(XDG_CONFIG_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=WHOLE,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("no unit was started: systemd does not run here")
    started, status, stopped, ended = done.stdout.splitlines()
    assert started == "started: active", done.stderr
    assert "the former are in force: " in status
    assert ":2: max_age is 'never'" in status
    assert (stopped, ended) == ("stopped: watchdog", "ended: success")
