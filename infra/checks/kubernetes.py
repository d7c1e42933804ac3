"""Checks of `infra/kubernetes`: every overlay can be rendered, fits its schemas, and has no privileges."""

import functools
import json
import logging
import os
import re
from pathlib import Path

import kubernetes_validate
import yaml

from common import INFRA, ROOT, Failed, Skipped, check, fail_if, program, read, run

ENVIRONMENTS = ["dev", "staging", "prod"]
RENDERED = [*(f"overlays/{environment}" for environment in ENVIRONMENTS), "spinkube", "argocd"]
# The schemas of custom resources are not part of this repository: by default they are in a folder beside it.
DEFAULT_SCHEMAS = ROOT.parent / "shared" / "schemas"


@functools.cache
def objects(folder):
    """The objects that `kubectl kustomize` renders from a folder."""
    text = run(program("kubectl"), "kustomize", INFRA / "kubernetes" / folder)
    return [document for document in yaml.safe_load_all(text) if document]


def named(folder, kind, name):
    """An object by its kind and its name, without the hash of its content."""
    found = [
        item
        for item in objects(folder)
        if item["kind"] == kind and re.fullmatch(f"{name}(-[a-z0-9]{{10}})?", item["metadata"]["name"])
    ]
    if len(found) != 1:
        raise Failed(f"{folder}: {len(found)} objects are {kind}/{name}")
    return found[0]


def deployments(folder):
    """The pods' templates by the Deployments' names."""
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in objects(folder)
        if item["kind"] == "Deployment"
    }


def is_custom(item):
    """Whether an object's kind is a custom resource."""
    group = item["apiVersion"].split("/")[0]
    return "." in group and not group.endswith(".k8s.io")


@check
def objects_fit_kubernetes_own_schemas():
    """Strictly: a field that Kubernetes does not know is an error."""
    logging.getLogger().setLevel(logging.ERROR)
    version = re.search(r'default\s+= "([\d.]+)"', read("infra/terraform/modules/cluster/main.tf"))[1]
    problems, checked = [], 0
    for folder in RENDERED:
        for item in filter(lambda item: not is_custom(item), objects(folder)):
            try:
                kubernetes_validate.validate(item, f"{version}.0", strict=True)
                checked += 1
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{folder}: {item['kind']}/{item['metadata']['name']}: {error.message}")
    fail_if(problems)
    if checked < 3 * 10:
        raise Failed(f"only {checked} objects were compared with a schema")


@check
def custom_objects_fit_their_projects_schemas():
    """KEDA's, Argo CD's, External Secrets', SpinKube's and the Prometheus operator's."""
    import jsonschema

    named = os.environ.get("FRAMELIFT_SCHEMAS", str(DEFAULT_SCHEMAS))
    folders = [Path(folder) for folder in named.split(os.pathsep)]
    if not all(folder.is_dir() for folder in folders):
        raise Skipped(f"there are no schemas of custom resources in {named}; FRAMELIFT_SCHEMAS sets other folders")
    problems = []
    for folder in RENDERED:
        for item in filter(is_custom, objects(folder)):
            group, version = item["apiVersion"].split("/")
            name = f"{folder}: {item['kind']}/{item['metadata']['name']}"
            schema = schema_of(folders, group, item["kind"], version)
            if not schema:
                problems.append(f"{name}: there is no schema of {group}/{version} {item['kind']}")
                continue
            validator = jsonschema.Draft202012Validator(closed(schema))
            for error in validator.iter_errors(item):
                problems.append(f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message}")
    fail_if(problems)


def schema_of(folders, group, kind, version):
    """The first schema of a kind: `GROUP/KIND_VERSION.json`, or in a definition as controller-gen writes it, `GROUP_KINDs.yaml`."""
    for folder in folders:
        file, definition = folder / group / f"{kind.lower()}_{version}.json", folder / f"{group}_{kind.lower()}s.yaml"
        if file.exists():
            return json.loads(file.read_text())
        if definition.exists():
            versions = yaml.safe_load(definition.read_text())["spec"]["versions"]
            return next((one["schema"]["openAPIV3Schema"] for one in versions if one["name"] == version), None)
    return None


def closed(schema):
    """A schema that refuses fields it does not name, as Kubernetes would drop them."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(part) for key, part in schema.items()}
    keeps_all = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and not keeps_all:
        schema["additionalProperties"] = False
    if schema.get("properties", {}).get("metadata") == {"type": "object"}:
        schema["properties"]["metadata"] = {"type": "object"}
    return schema


@check
def pods_ask_for_no_privilege():
    """Read-only root, an unprivileged user, no capability, the runtime's seccomp profile, no service account token."""
    problems = []
    for environment in ENVIRONMENTS:
        folder = f"overlays/{environment}"
        labels = named(folder, "Namespace", "framelift")["metadata"]["labels"]
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            problems.append(f"{folder}: the namespace takes pods with privileges")
        for name, pod in deployments(folder).items():
            context = pod["securityContext"]
            expected = {
                "runs as root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
                # Allows landlock_*, seccomp and close_range, which the decoders' sandbox needs, and no more than that.
                "has another seccomp profile": context.get("seccompProfile") == {"type": "RuntimeDefault"},
                "has a token of Kubernetes": pod.get("automountServiceAccountToken") is False,
                "shares something with the node": not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(),
                "mounts the node's files": all("hostPath" not in volume for volume in pod.get("volumes", [])),
                "gets variables of services": pod.get("enableServiceLinks") is False,
            }
            problems += [f"{folder}: {name} {what}" for what, holds in expected.items() if not holds]
            for container in pod["containers"] + pod.get("initContainers", []):
                own = container.get("securityContext", {})
                starts_first = container not in pod["containers"]
                expected = {
                    "may write its root": own.get("readOnlyRootFilesystem") is True,
                    "may gain privileges": own.get("allowPrivilegeEscalation") is False,
                    "has capabilities": own.get("capabilities") == {"drop": ["ALL"]},
                    "is privileged": not own.get("privileged"),
                    "has no limit on memory": "memory" in container["resources"].get("limits", {}),
                    "has no requests": {"cpu", "memory"} <= container["resources"].get("requests", {}).keys(),
                    "is not probed": starts_first or {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(),
                    "has no fixed version": not container["image"].endswith(":latest") and ":" in container["image"],
                }
                problems += [f"{folder}: {name}/{container['name']} {what}" for what, holds in expected.items() if not holds]
    fail_if(problems)


@check
def nothing_is_open_that_no_policy_opens():
    """Everything is denied first; workers reach no private address; nobody outside reaches what workers call."""
    problems = []
    for environment in ENVIRONMENTS:
        folder = f"overlays/{environment}"
        policies = {item["metadata"]["name"]: item["spec"] for item in objects(folder) if item["kind"] == "NetworkPolicy"}
        if policies.get("closed") != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
            problems.append(f"{folder}: not everything is closed first")
        for rule in (rule for policy in policies.values() for rule in policy.get("egress", [])):
            if not rule.get("to") or not rule.get("ports"):
                problems.append(f"{folder}: a rule lets everything out: {rule}")
            for block in (peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer):
                private = {"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}
                if block["cidr"] == "0.0.0.0/0" and set(block.get("except", [])) != private:
                    problems.append(f"{folder}: private addresses can be reached: {block}")
                elif block["cidr"] not in ("0.0.0.0/0", "169.254.170.23/32"):
                    problems.append(f"{folder}: pods reach {block['cidr']}")
        paths = named(folder, "Ingress", "edge")["spec"]["rules"][0]["http"]["paths"]
        nowhere = {path["path"] for path in paths if path["backend"]["service"]["name"] == "not-found"}
        private = {"/internal", "/notification", "/.well-known/spin"}
        if nowhere != private:
            problems.append(f"{folder}: the world reaches {sorted(private - nowhere)}, or lacks {sorted(nowhere - private)}")
    network = read("infra/terraform/modules/network/main.tf")
    if 'cidrsubnet(var.cidr, 8, each.value)' not in network or '"10.64.0.0/16"' not in network:
        problems.append("public subnets are not within 10.64.0.0/20, from which the edge lets the load balancer in")
    fail_if(problems)
