"""Checks of alerts, alarms and dashboards: they use only existing metrics, and each alert is tested and documented."""

import json
import re

import yaml

from common import INFRA, WORK, check, fail_if, program, read, run
from kubernetes import ENVIRONMENTS, deployments, named, objects

MONITORING = "infra/kubernetes/monitoring"
COLLECTOR = "infra/kubernetes/base/collector-config.yaml"
# What NVIDIA's exporter has by default, as far as it is used.
OF_GPUS = {"DCGM_FI_DEV_DEC_UTIL", "DCGM_FI_DEV_GPU_UTIL"}


def rules():
    """The alerts."""
    return yaml.safe_load(read(f"{MONITORING}/alerts.yaml"))["spec"]["groups"]


def panels():
    """The queries of the dashboards, by the panels' titles."""
    boards = [json.loads(file.read_text()) for file in sorted((INFRA / "kubernetes/monitoring/dashboards").glob("*.json"))]
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for board in boards for panel in board["panels"]}


def measured():
    """The names of the edge's metrics in Prometheus, which the collector makes of spans, and their labels."""
    spans = yaml.safe_load(read(COLLECTOR))["connectors"]["spanmetrics"]
    prefix, unit = spans["namespace"].replace(".", "_"), {"s": "seconds", "ms": "milliseconds"}[spans["histogram"]["unit"]]
    names = {f"{prefix}_calls_total"} | {f"{prefix}_duration_{unit}_{part}" for part in ("bucket", "sum", "count")}
    labels = {"service_name", "span_name", "span_kind", "status_code", "le"}
    return names, labels | {dimension["name"].replace(".", "_") for dimension in spans["dimensions"]}


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
    """Every metric that they use is exposed: by the workers, by the collector for the edge, or by NVIDIA's exporter."""
    of_edge, labels = measured()
    names = exposed() | of_edge | OF_GPUS
    used = {
        f"alert {rule['alert']}": rule["expr"] for group in rules() for rule in group["rules"]
    } | {f"panel {title}": " ".join(queries) for title, queries in panels().items()}
    problems = []
    for place, text in used.items():
        for name in re.findall(r"\b[a-zA-Z]+_\w+(?=[{\[)\s]|$)", re.sub(r"\{[^}]*\}|by \([^)]*\)", " ", text)):
            if name.startswith("histogram_"):
                continue
            if name not in names:
                problems.append(f"{place}: there is no {name}")
        for selector in re.findall(r"\bframelift_edge_\w+\{([^}]*)\}", text):
            unknown = set(re.findall(r"(\w+)[=!]~?", selector)) - labels
            problems += [f"{place}: the edge's numbers have no label {label}" for label in sorted(unknown)]
    fail_if(problems)


@check
def spans_reach_the_collector():
    """From edge and workers, by name, port and network policy; and each part of its pipelines exists."""
    problems = []
    config = yaml.safe_load(read(COLLECTOR))
    known = {kind: set(config[kind]) for kind in ("receivers", "processors", "exporters")}
    for kind in ("receivers", "exporters"):
        known[kind] |= set(config["connectors"])
    pipelines = config["service"]["pipelines"]
    for name, pipeline in pipelines.items():
        problems += [f"{name}: there is no {part}" for kind in pipeline for part in pipeline[kind] if part not in known[kind]]
    used = {part for pipeline in pipelines.values() for parts in pipeline.values() for part in parts}
    problems += [f"{part} is in no pipeline" for part in sorted(set().union(*known.values()) - used)]
    # What leaves the cluster has no query and no address; what is measured is not sampled.
    for pipeline in pipelines.values():
        if "awsxray" in pipeline["exporters"] and "transform/private" not in pipeline["processors"]:
            problems.append("spans leave with what they must not show")
        if "spanmetrics" in pipeline["exporters"] and "probabilistic_sampler" in pipeline["processors"]:
            problems.append("the edge is measured by a sample")
    listens = {
        "otlp": config["receivers"]["otlp"]["protocols"]["http"]["endpoint"],
        "metrics": config["exporters"]["prometheus"]["endpoint"],
        "health": config["extensions"]["health_check"]["endpoint"],
    }
    for environment in ENVIRONMENTS:
        folder = f"overlays/{environment}"
        container = deployments(folder)["collector"]["containers"][0]
        ports = {port["name"]: f"0.0.0.0:{port['containerPort']}" for port in container["ports"]}
        if ports != listens:
            problems.append(f"{folder}: the collector listens on {listens}, its pod says {ports}")
        service = named(folder, "Service", "collector")["spec"]["ports"][0]
        policies = {item["metadata"]["name"]: item["spec"] for item in objects(folder) if item["kind"] == "NetworkPolicy"}
        comes_in = [str(rule) for rule in policies["collector"]["ingress"]]
        for sender in ("edge", "worker"):
            data = named(folder, "ConfigMap", sender)["data"]
            if data.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != f"http://collector.framelift.svc:{service['port']}/v1/traces":
                problems.append(f"{folder}: {sender} sends spans elsewhere")
            goes_out = [rule for rule in policies[sender]["egress"] if "'collector'" in str(rule) and rule["ports"] == [{"port": "otlp"}]]
            if not goes_out or not any(f"'{sender}'" in rule and "'otlp'" in rule for rule in comes_in):
                problems.append(f"{folder}: no policy lets spans of {sender} through")
        if f"\"{named(folder, 'ConfigMap', 'edge')['data']['OTEL_SERVICE_NAME']}\"" not in config["processors"]["filter/requests"]["traces"]["span"][0]:
            problems.append(f"{folder}: the edge is measured by another name than its spans have")
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
