"""The alert rules and the dashboard speak of metrics that exist, and the rules fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deployer.watch.exposing import registry_of
from deployer.watch.findings import FLEET_KINDS, HOST_KINDS
from tests.unit.watch.test_exposing import NOW

PLACE = Path(__file__).parents[3] / "docs/monitoring"
RULES = PLACE / "deployer.rules.yml"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)

HOST = 'inventory="lab",host="web1"'
#: What is fed for ten minutes, and the alert that it must come to.
FEEDS = {
    "DeployerNginxDown": {f'deployer_host_condition{{{HOST},condition="down"}}': "1x40"},
    "DeployerChecksFail": {f'deployer_host_condition{{{HOST},condition="checks"}}': "1x40"},
    "DeployerWouldNotStart": {f'deployer_host_condition{{{HOST},condition="invalid"}}': "1x40"},
    "DeployerNotLoaded": {f'deployer_host_condition{{{HOST},condition="not_loaded"}}': "1x40"},
    "DeployerDrift": {f'deployer_host_condition{{{HOST},condition="drift"}}': "1x40"},
    "DeployerReverted": {f'deployer_host_condition{{{HOST},condition="reverted"}}': "1x40"},
    "DeployerNotPromoted": {f'deployer_host_condition{{{HOST},condition="not_promoted"}}': "1x200"},
    "DeployerUnfinished": {'deployer_fleet_condition{inventory="lab",condition="unfinished"}': "1x40"},
    "DeployerSchedule": {'deployer_fleet_condition{inventory="lab",condition="schedule"}': "1x40"},
    "DeployerSplit": {'deployer_fleet_condition{inventory="lab",condition="split"}': "1x40"},
    "DeployerCannotDeploy": {'deployer_fleet_condition{inventory="lab",condition="journal"}': "1x200"},
    "DeployerUnreachable": {f"deployer_host_up{{{HOST}}}": "0x40"},
    "DeployerFailedAnswers": {
        f'deployer_host_answers_total{{{HOST},class="2xx"}}': "0+90x40",
        f'deployer_host_answers_total{{{HOST},class="5xx"}}': "0+10x40",
    },
    "DeployerEmergencies": {f'deployer_host_log_lines_total{{{HOST},level="emerg"}}': "0x20 1x20"},
    "DeployerCertificateExpires": {
        f"deployer_host_certificate_expiry_timestamp_seconds{{{HOST}}}": "1000000x400"
    },
    "DeployerCertificateExpiresNow": {
        f"deployer_host_certificate_expiry_timestamp_seconds{{{HOST}}}": "100000x40"
    },
    "DeployerLooksStopped": {
        f"deployer_host_look_timestamp_seconds{{{HOST}}}": "0x400",
        f"deployer_host_up{{{HOST}}}": "1x400",
        'deployer_watch_interval_seconds{inventory="lab"}': "30x400",
    },
}
AT = {
    "DeployerCertificateExpires": "90m",
    "DeployerNotPromoted": "40m",
    "DeployerCannotDeploy": "40m",
    "DeployerLooksStopped": "15m",
}


def rules() -> list[dict[str, str]]:
    found: list[dict[str, str]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


@needs_promtool
def test_the_rules_are_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_goes_untried() -> None:
    assert set(FEEDS) == {rule["alert"] for rule in rules()} - {"DeployerWatchAbsent"}


@needs_promtool
@pytest.mark.parametrize("alert", FEEDS)
def test_each_alert_fires(alert: str, tmp_path: Path) -> None:
    at = AT.get(alert, "9m")
    series = [{"series": name, "values": values} for name, values in FEEDS[alert].items()]
    series.append({"series": 'deployer_watch_hosts{inventory="lab"}', "values": "1x400"})
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": series,
                "promql_expr_test": [
                    {"expr": count, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}]},
                    {"expr": 'ALERTS{alertname="DeployerWatchAbsent"}', "eval_time": at, "exp_samples": []},
                ],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_name_only_what_there_is() -> None:
    exposed = {sample.name for metric in registry_of(lambda: NOW).collect() for sample in metric.samples} | {
        "deployer_host_guard_remaining_seconds"
    }
    conditions = {kind.value for kind in (*HOST_KINDS, *FLEET_KINDS)}
    dashboard = json.loads((PLACE / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for rule in rules()]
    for query in queries:
        assert set(re.findall(r"\bdeployer_\w+", query)) <= exposed, query
        for named in re.findall(r'condition=~?"([^"]*)"', query):
            assert set(named.split("|")) <= conditions, query
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
