"""What ``deploy/`` gives Prometheus and Grafana, and the tools that read it."""

import json
import os
import shutil

import pytest

from places import DEPLOY

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "temp_file_manager.json").read_text())
RULES = DEPLOY / "prometheus" / "temp_file_manager.rules.yml"
QUERIES = (  # section 8.1
    "temp_files_active",
    "rate(temp_files_cleaned_total[5m])",
    "histogram_quantile(0.95, rate(temp_file_age_seconds_bucket[5m]))",
    "histogram_quantile(0.95, rate(cleanup_duration_seconds_bucket[5m]))",
)


def tool(name: str) -> str:
    """Return where a program is that is not Python's."""
    found = shutil.which(name)
    if found is None:
        assert "CI" not in os.environ, f"{name} is not there: this was not tried"
        pytest.skip(f"{name} is not there")
    return found


OF_INSTANCE = '{instance=~"$instance"}'
"""What the dashboard's choice of instances adds to each metric."""


def dashboard_queries() -> list[str]:
    """Return the queries as they are asked for all instances."""
    return [target["expr"].replace(OF_INSTANCE, "") for panel in DASHBOARD["panels"] for target in panel["targets"]]
