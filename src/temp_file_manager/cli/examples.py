"""Examples of each command, which its help shows: the suite runs every one of them."""

from collections.abc import Mapping

PROGRAM = (
    "register report.csv --ttl 2h",
    "why report.csv",
    "run --base-dir /tmp/my_app --max-age 1d",
)
"""What somebody does first."""

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": ("run --max-age 1h --cleanup-interval 5m", "run --http-port 8080 --metrics true"),
    "register": ("register chart.svg --ttl 1h --tag charts", "find . -name '*.csv' -print0 | tfm register -0 -"),
    "list": ("list --tag charts --older-than 30m", "list --due --json"),
    "status": ("status chart.svg", "find . -name '*.csv' -print0 | tfm status -0 -"),
    "why": ("why chart.svg", "why --json chart.svg"),
    "sweep": ("sweep --dry-run", "sweep --plan plan.jsonl"),
    "object": (
        "object put report.csv s3://bucket/reports --ttl 1d",
        "object sweep s3://bucket/reports --dry-run",
    ),
    "apply": ("apply plan.jsonl", "apply --quiet plan.jsonl"),
    "pin": ("pin chart.svg", "pin chart.svg --ttl 1d"),
    "unpin": ("unpin chart.svg", "list --kept"),
    "hold": ("hold chart.svg -- ls -l chart.svg", "hold --max-age 1h chart.svg -- cat chart.svg"),
    "restore": ("restore chart.svg", "restore chart.svg --to again.svg"),
    "session": ("session begin nightly --ttl 8h", "session end nightly"),
    "scope": ("scope create volume:scratch", "scope show"),
    "exec": ("exec -- mktemp", "exec --max-age 1h -- sh -c 'touch \"$TMPDIR/part\"'"),
    "forget": ("forget chart.svg", "tfm list --tag charts --json | jq -r .path | tfm forget -"),
    "cat": ("cat report.csv", "cat report.csv | head -n 1"),
    "adopt": ("adopt scratch --max-age 7d", "adopt --once --yes scratch --max-age 7d"),
    "stats": ("stats", "stats --json"),
    "limits": ("limits --max-bytes 20GiB", "limits --min-free 10%"),
    "rules": ("rules", "rules test chart.svg --tag charts"),
    "fleet": ("fleet", "fleet policy set team:data --max-age 7d"),
    "top": ("top", "top --once"),
    "check": ("check", "check --fix"),
    "health": ("health", "health --json"),
    "doctor": ("doctor", "doctor scratch"),
    "registry": ("registry migrate", "registry status"),
    "export": ("export > records.jsonl", "tfm export | tfm import --base-dir elsewhere"),
    "import": ("import records.jsonl", "tfm export | tfm import --base-dir elsewhere"),
    "config": ("config", "config --json"),
    "completion": ("completion bash", "completion fish"),
    "help": ("help sweep", "help --json why"),
    "version": ("version", "version --json"),
}
"""By command. A line without the program's name begins with it."""


def line(example: str) -> str:
    """Return an example as somebody types it."""
    return example if "tfm " in example else f"tfm {example}"
