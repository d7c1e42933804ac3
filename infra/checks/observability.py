"""Checks of alerts, alarms and dashboards: they use only existing metrics, and each alert is tested and documented."""

import json
import re

import yaml

from common import INFRA, WORK, check, fail_if, program, read, run

MONITORING = "infra/kubernetes/monitoring"


def rules():
    """The alerts."""
    return yaml.safe_load(read(f"{MONITORING}/alerts.yaml"))["spec"]["groups"]


def panels():
    """The queries of the dashboard, by the panels' titles."""
    board = json.loads(read(f"{MONITORING}/dashboards/framelift.json"))
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in board["panels"]}


def exposed():
    """The names of the workers' metrics in Prometheus, from the code that registers them."""
    source = read("host-worker/src/health/metrics.rs").split("#[cfg(test)]")[0]
    prefix = re.search(r'Registry::with_prefix\("(\w+)"\)', source)[1]
    kinds = dict(re.findall(r"pub (\w+): (?:Family<\w+, )?(Counter|Gauge|Histogram)>?,", source))
    variables = dict(re.findall(r"let (\w+) = self\.(\w+)\.clone\(\);", source))
    names = {f"{prefix}_build_info"}
    registered = r'register(_with_unit)?\(\s*"(\w+)",\s*"[^"]+",\s*(?:Unit::(\w+),\s*)?(self\.)?(\w+)'
    for _, name, unit, own, value in re.findall(registered, source):
        if name == "build":
            continue
        kind = kinds[value if own else variables[value]]
        name = f"{prefix}_{name}" + (f"_{unit.lower()}" if unit else "")
        names |= {
            "Counter": {f"{name}_total"},
            "Gauge": {name},
            "Histogram": {f"{name}_bucket", f"{name}_sum", f"{name}_count"},
        }[kind]
    return names


@check
def alerts_and_dashboards_know_the_workers_numbers():
    """Every metric that they use is exposed."""
    names = exposed()
    used = {
        f"alert {rule['alert']}": rule["expr"] for group in rules() for rule in group["rules"]
    } | {f"panel {title}": " ".join(queries) for title, queries in panels().items()}
    problems = []
    for place, text in used.items():
        for name in re.findall(r"\b[a-z]+_\w+(?=[{\[)\s]|$)", re.sub(r"\{[^}]*\}|by \([^)]*\)", " ", text)):
            if name.startswith("histogram_"):
                continue
            if name not in names:
                problems.append(f"{place}: there is no {name}")
    fail_if(problems)


@check
def alerts_fire_and_stay_quiet():
    """Tests with `promtool` that every alert fires and that it does not."""
    promtool = program("promtool")
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "alerts.rules.yaml").write_text(yaml.safe_dump({"groups": rules()}))
    tests = read(f"{MONITORING}/alerts.test.yaml")
    (WORK / "alerts.test.yaml").write_text(tests)
    run(promtool, "check", "rules", WORK / "alerts.rules.yaml")
    run(promtool, "test", "rules", WORK / "alerts.test.yaml")
    tried = {"fires": set(), "quiet": set()}
    for test in yaml.safe_load(tests)["tests"]:
        for asked in test["alert_rule_test"]:
            tried["fires" if asked["exp_alerts"] else "quiet"].add(asked["alertname"])
    alerts = {rule["alert"] for group in rules() for rule in group["rules"]}
    fail_if(f"{alert}: no test in which it {how}" for how, names in tried.items() for alert in sorted(alerts - names))


@check
def every_alert_leads_to_its_runbook():
    """A section of docs/operations.md, for Prometheus' alerts and for AWS's alarms."""
    headings = re.findall(r"^#+ (.+)$", read("docs/operations.md"), re.M)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    problems = []
    for module in (INFRA / "terraform/modules").glob("*/main.tf"):
        for text in re.findall(r'(?:alarm_description|about) +=\s+"(.+)"$', module.read_text(), re.M):
            led = re.search(r": docs/operations\.md#([\w-]+)$", text)
            if not led or led[1] not in anchors:
                problems.append(f"modules/{module.parent.name}: no section for {text}")
    for rule in (rule for group in rules() for rule in group["rules"]):
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        if file != "docs/operations.md" or anchor not in anchors:
            problems.append(f"{rule['alert']}: there is no section {rule['annotations']['runbook']}")
        if rule["labels"]["severity"] not in ("page", "ticket"):
            problems.append(f"{rule['alert']}: nobody knows whom it wakes")
    fail_if(problems)
