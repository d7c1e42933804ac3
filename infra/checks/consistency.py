"""Checks that manifests, modules and programs agree: names, variables, and times that depend on each other."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

from common import INFRA, Failed, Skipped, check, fail_if, program, read, run
from kubernetes import ENVIRONMENTS, deployments, named, objects
from terraform import as_seconds

MODULES = "infra/terraform/modules"
# Keys of the worker without a default that production does not set, and why.
NOT_GIVEN = {
    "FRAMELIFT_QUEUE_ENDPOINT": "SQS is Amazon's",
    "FRAMELIFT_STORE_ENDPOINT": "S3 is Amazon's",
    "FRAMELIFT_WORKER_ID": "a pod's name is unique as it is",
}
# Variables of the AWS SDK, the NVIDIA container toolkit and OpenTelemetry.
OTHERS = {
    "AWS_REGION", "AWS_EC2_METADATA_DISABLED", "NVIDIA_DRIVER_CAPABILITIES", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SERVICE_NAME",
}


def worker_keys():
    """Each variable of the worker and its default, from the page that is generated from the configuration's types."""
    page = read("docs/configuration.md").split("# Configuration of the edge")[0]
    rows = re.findall(r"^\| `\w+` \| `(FRAMELIFT_\w+)` \| [^|]+ \| ([^|]+) \|", page, re.M)
    # A default is in backquotes; `required` and `none` without them mean no default.
    return {name: default.strip("`\"") if default[0] == "`" else f"({default})" for name, default in rows}


def edge_variables():
    """`spin.toml`'s variables."""
    return tomllib.loads(read("spin.toml"))["variables"]


def given(folder, deployment):
    """The environment variables of a deployment's pod; None for the values of secrets."""
    variables = {}
    for container in deployments(folder)[deployment]["containers"]:
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                name = re.sub(r"-[a-z0-9]{10}$", "", source["configMapRef"]["name"])
                variables |= named(folder, "ConfigMap", name)["data"]
            else:
                secret = named(folder, "ExternalSecret", source["secretRef"]["name"])
                variables |= {entry["secretKey"]: None for entry in secret["spec"]["data"]}
        variables |= {entry["name"]: entry.get("value") for entry in container.get("env", [])}
    return variables


@check
def every_key_without_a_default_is_given():
    """And no unknown key is given: the worker would not start."""
    problems = []
    keys, variables = worker_keys(), edge_variables()
    required = {f"SPIN_VARIABLE_{name.upper()}" for name, about in variables.items() if about.get("required")}
    known = {f"SPIN_VARIABLE_{name.upper()}" for name in variables}
    needed = {name for name, default in keys.items() if default in ("(required)", "(none)")} - NOT_GIVEN.keys()
    secrets = {f"SPIN_VARIABLE_{name.upper()}" for name, about in variables.items() if about.get("secret")}
    secrets |= set(re.findall(r"`(FRAMELIFT_\w+)` \| secret", read("docs/configuration.md")))
    for environment in ENVIRONMENTS:
        folder = f"overlays/{environment}"
        for deployment, wanted, all_known in [
            ("edge", required, known),
            ("worker-cpu", needed, keys.keys()),
            ("worker-gpu", needed, keys.keys()),
        ]:
            variables_given = given(folder, deployment)
            problems += [f"{folder}: {deployment} lacks {name}" for name in sorted(wanted - variables_given.keys())]
            unknown = variables_given.keys() - set(all_known) - OTHERS
            problems += [f"{folder}: {deployment} does not know {name}" for name in sorted(unknown)]
            open_secrets = {name for name in secrets & variables_given.keys() if variables_given[name] is not None}
            problems += [f"{folder}: {deployment} shows the secret {name}" for name in sorted(open_secrets)]
    app = next(item for item in objects("spinkube") if item["kind"] == "SpinApp")["spec"]
    in_app = {f"SPIN_VARIABLE_{variable['name'].upper()}" for variable in app["variables"]}
    problems += [f"spinkube: the app lacks {name}" for name in sorted(required - in_app)]
    problems += [f"spinkube: the app does not know {name}" for name in sorted(in_app - known)]
    fail_if(problems)


@check
def a_spin_app_takes_the_edges_place():
    """`infra/kubernetes/spinkube`: `prod`, in which all that leads to the edge leads to the app's pods, with the same values."""
    app = next(item for item in objects("spinkube") if item["kind"] == "SpinApp")
    name, labels = app["metadata"]["name"], app["spec"]["podLabels"]
    service = named("spinkube", "Service", "edge")["spec"]
    enforced = named("spinkube", "Namespace", "framelift")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    # SpinKube's operator: a Deployment and a Service with the app's name, pods with a port `http-app` and no security context.
    expected = {
        "the other edge is still there": "edge" not in deployments("spinkube"),
        "the operator's Service takes the place of ours": name != "edge",
        "the Service finds no pods": service["selector"].items() <= labels.items() and service["ports"][0]["targetPort"] == "http-app",
        "nothing scales it": named("spinkube", "HorizontalPodAutoscaler", "edge")["spec"]["scaleTargetRef"]["name"] == name,
        "the namespace refuses its pods": enforced == "baseline",
    }
    problems = [what for what, holds in expected.items() if not holds]
    policies = {item["metadata"]["name"]: item["spec"] for item in objects("spinkube") if item["kind"] == "NetworkPolicy"}
    to_edge = [rule for rule in policies["worker"]["egress"] if "'edge'" in str(rule["to"])] + policies["edge"]["ingress"]
    problems += [f"a policy closes the app's port: {rule}" for rule in to_edge if rule["ports"] != [{"port": "http-app"}]]
    ours = given("overlays/prod", "edge")
    for variable in app["spec"]["variables"]:
        value = ours.get(f"SPIN_VARIABLE_{variable['name'].upper()}")
        if "value" in variable and variable["value"] != value:
            problems.append(f"{variable['name']} is {variable['value']}, in prod {value}")
    stores = tomllib.loads(read("infra/kubernetes/overlays/prod/runtime-config.toml"))["key_value_store"]
    tables = {store["name"]: {option["name"]: option["value"] for option in store["options"]}["table"] for store in app["spec"]["runtimeConfig"]["keyValueStores"]}
    if tables != {store: about["table"] for store, about in stores.items()}:
        problems.append(f"other tables than prod's: {tables}")
    fail_if(problems)


@check
def the_composition_is_one():
    """Docker's own reader of `compose.yaml` takes it."""
    docker = program("docker")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        raise Skipped("docker has no `compose`")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(INFRA / "compose", folder, dirs_exist_ok=True)
        for secrets in ("keys.env", "worker.env"):
            (Path(folder) / secrets).touch()
        run(docker, "compose", "--file", "compose.yaml", "config", "--quiet", cwd=folder)


@check
def the_composition_gives_every_key():
    """`infra/compose`: with the secrets that `cargo xtask keys` prints, all that the programs need and know."""
    services = yaml.safe_load(read("infra/compose/compose.yaml"))["services"]
    printed = {"SIGNING_KEY", "PUBLIC_KEYS", "WORKER_TOKEN", "EMAIL_KEY", "REFRESH_KEYS", "FRAMES_KEY"}
    edge = services["edge"]["environment"].keys() | {f"SPIN_VARIABLE_{name}" for name in printed}
    worker = services["worker"]["environment"].keys() | {"FRAMELIFT_CONTROL_TOKEN"}
    required = {f"SPIN_VARIABLE_{name.upper()}" for name, about in edge_variables().items() if about.get("required")}
    known = {f"SPIN_VARIABLE_{name.upper()}" for name in edge_variables()}
    needed = {name for name, default in worker_keys().items() if default == "(required)"}
    aws = {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    problems = [f"edge lacks {name}" for name in sorted(required - edge)]
    problems += [f"edge does not know {name}" for name in sorted(edge - known)]
    problems += [f"worker lacks {name}" for name in sorted(needed - worker)]
    problems += [f"worker does not know {name}" for name in sorted(worker - worker_keys().keys() - aws)]
    for name in ("edge", "worker"):
        confined = services[name]
        if not confined["read_only"] or confined["cap_drop"] != ["ALL"] or confined["user"] != "65532:65532":
            problems.append(f"{name} has more rights than in production")
    made = services["made"]["command"][0]
    # The page's own origin uploads to the bucket and reads from it, and must see `ETag`, as in modules/storage.
    cors = json.loads(re.search(r"--cors-configuration \\\n\s*'(.+)'", made)[1])["CORSRules"][0]
    page = next(port for port in services["edge"]["ports"]).rsplit(":", 1)[0]
    if (cors["AllowedOrigins"], sorted(cors["AllowedMethods"]), cors["ExposeHeaders"]) != ([f"http://{page}"], ["GET", "PUT"], ["ETag"]):
        problems.append(f"the page cannot use the bucket: {cors}")
    for name, service in services.items():
        problems += [f"{name} is open to the network: {port}" for port in service.get("ports", []) if not port.startswith("127.0.0.1:")]
    stores = {store for part in tomllib.loads(read("spin.toml"))["component"].values() for store in part.get("key_value_stores", [])}
    if tomllib.loads(read("infra/compose/runtime-config.toml"))["key_value_store"].keys() != stores:
        problems.append(f"runtime-config.toml has other stores than {sorted(stores)}")
    fail_if(problems)


def table_suffix(environment):
    """What the names of an environment's tables end with: something after a restore (docs/operations.md)."""
    file = INFRA / "terraform/environments" / str(environment) / "main.tf"
    given = re.search(r'^  table_suffix\s+= "(.*)"$', file.read_text(), re.M) if file.exists() else None
    return given[1] if given else ""


@check
def a_store_is_a_table():
    """Each store of `spin.toml` has its table, read consistently, in every runtime configuration."""
    components = tomllib.loads(read("spin.toml"))["component"].values()
    stores = {store for component in components for store in component.get("key_value_stores", [])}
    default = re.search(r'variable "stores" {.*?default\s+= \[([^\]]+)\]', read(f"{MODULES}/tables/main.tf"), re.S)[1]
    problems = []
    if set(re.findall(r'"(\w+)"', default)) != stores:
        problems.append(f"modules/tables has others than {sorted(stores)}")
    files = {environment: f"infra/kubernetes/overlays/{environment}/runtime-config.toml" for environment in ENVIRONMENTS}
    for environment, file in [*files.items(), (None, "infra/spin/runtime-config.dynamodb.toml")]:
        prefix = f"framelift-{environment}" if environment else "framelift"
        expected = {
            store: {
                "type": "aws_dynamo", "region": "us-east-1", "consistent_read": True,
                "table": f"{prefix}-{store}{table_suffix(environment)}",
            }
            for store in stores
        }
        if tomllib.loads(read(file)) != {"key_value_store": expected}:
            problems.append(f"{file} is not one table for each of {sorted(stores)}, read consistently")
    sqlite = tomllib.loads(read("infra/spin/runtime-config.sqlite.toml"))["key_value_store"]
    if sqlite.keys() != stores or len({store["path"] for store in sqlite.values()}) != len(stores):
        problems.append("infra/spin/runtime-config.sqlite.toml is not one file for each store")
    fail_if(problems)


@check
def names_are_those_that_terraform_makes():
    """Buckets, queues, images, secrets, accounts and pools of nodes."""
    # The names as the modules write them; below they are compared with the manifests'.
    written = {
        "queues": ['"${var.name}-jobs"', '"${var.name}-jobs-short"', '"${var.name}-jobs-dead"'],
        "stack": ['"${var.name}-${data.aws_caller_identity.current.account_id}"'],
        "tables": ['"${var.name}-${each.key}${var.suffix}"'],
        "registry": ['"${var.name}/${each.key}"'],
        "secrets": ['"${var.name}/${each.key}"'],
    }
    problems = [
        f"modules/{module} gives other names than {name}"
        for module, names in written.items()
        for name in names
        if name not in read(f"{MODULES}/{module}/main.tf")
    ]
    pools = set(re.findall(r"^\s+(\w+)\s*= {\s*$|^\s+(\w+)\s+= { instance_types", read("infra/terraform/environments/prod/main.tf"), re.M))
    pools = {name for pair in pools for name in pair if name} - {"node_groups"}
    cluster = read(f"{MODULES}/cluster/main.tf")
    accounts = set(re.findall(r'namespace = "framelift", account = "([\w-]+)"', cluster))
    images = set(re.findall(r'"([\w-]+)"', re.search(r"default\s+= \[([^\]]+)\]", read(f"{MODULES}/registry/main.tf"))[1]))
    # The account of `prod` has the images; those of the others pull from it. The collector's is its project's.
    accounts_of = {environment: re.search(r"\d{12}", given(f"overlays/{environment}", "worker-cpu")["FRAMELIFT_QUEUE_URL"])[0] for environment in ENVIRONMENTS}
    pulled_by = re.search(r"pulled_by\s+= \[(.*)\]", read("infra/terraform/environments/prod/main.tf"))[1]
    problems += [
        f"the account of {environment} may not pull images"
        for environment, account in accounts_of.items()
        if environment != "prod" and account not in pulled_by
    ]
    repository = f"{accounts_of['prod']}.dkr.ecr.us-east-1.amazonaws.com/framelift-prod/"
    for environment in ENVIRONMENTS:
        folder, name = f"overlays/{environment}", f"framelift-{environment}"
        edge, worker = given(folder, "edge"), given(folder, "worker-cpu")
        account = accounts_of[environment]
        queue = f"https://sqs.us-east-1.amazonaws.com/{account}/{name}-jobs"
        expected = {
            "FRAMELIFT_QUEUE_URL": queue,
            "FRAMELIFT_QUEUE_SHORT_URL": f"{queue}-short",
            "FRAMELIFT_QUEUE_DEAD_LETTER_URL": f"{queue}-dead",
            "FRAMELIFT_STORE_BUCKET": f"{name}-{account}",
            "SPIN_VARIABLE_SQS_QUEUE_URL": queue,
            "SPIN_VARIABLE_SQS_SHORT_QUEUE_URL": f"{queue}-short",
            "SPIN_VARIABLE_S3_BUCKET": f"{name}-{account}",
            "SPIN_VARIABLE_S3_BUCKET_ORIGIN": f"https://{name}-{account}.s3.us-east-1.amazonaws.com",
        }
        problems += [
            f"{folder}: {key} is not {value}" for key, value in expected.items() if (edge | worker).get(key) != value
        ]
        if worker["FRAMELIFT_LINKS_PUBLIC_URL"] != f"https://{named(folder, 'Ingress', 'edge')['spec']['rules'][0]['host']}/":
            problems.append(f"{folder}: links in mails lead to another host than the Ingress serves")
        if f"Environment={name}" not in named(folder, "Ingress", "edge")["metadata"]["annotations"]["alb.ingress.kubernetes.io/tags"].split(","):
            problems.append(f"{folder}: the budget does not see the load balancer")
        for item in objects(folder):
            if item["kind"] == "ExternalSecret":
                keys = {entry["remoteRef"]["key"] for entry in item["spec"]["data"]}
                if keys != {f"{name}/{item['metadata']['name']}"}:
                    problems.append(f"{folder}: {item['metadata']['name']} reads {sorted(keys)}")
        for deployment, pod in deployments(folder).items():
            image = pod["containers"][0]["image"]
            pinned = re.fullmatch(re.escape(repository) + r"([\w-]+):v[\d.]+@sha256:[0-9a-f]{64}", image)
            if deployment != "collector" and (not pinned or pinned[1] not in images):
                problems.append(f"{folder}: {deployment} has the image {image}")
            if pod["serviceAccountName"] not in accounts:
                problems.append(f"{folder}: {deployment} has an account without a role")
            if pod["nodeSelector"]["framelift.dev/pool"] not in pools:
                problems.append(f"{folder}: {deployment} wants nodes that there are none of")
    fail_if(problems)


# Processors, GiB, and pods of the types of nodes, by AWS's lists.
NODES = {f"{family}.4xlarge": (16, 64, 234) for family in ("m7i", "m6i", "m7a", "m6a")}
NODES |= {"g6.xlarge": (4, 16, 58), "g5.xlarge": (4, 16, 58), "g4dn.xlarge": (4, 16, 29)}


def workers_of_a_node(pool, environment):
    """Processors and bytes that nodes of a pool have for pods: those of the smallest type."""
    file = INFRA / "terraform/environments" / environment / "main.tf"
    text = (file if file.exists() else INFRA / "terraform/environments/prod/main.tf").read_text()
    types = re.findall(r'"([\w.]+)"', re.search(rf"^    {pool}\s+= {{ instance_types = \[([^\]]+)\]", text, re.M)[1])
    left = []
    for cpus, gib, pods in (NODES[name] for name in types):
        # EKS reserves 255 MiB and 11 MiB a pod, and evicts at 100 MiB; firmware and kernel take 4 %; the node's own pods 300 MiB.
        left.append((cpus - 0.11 - 0.25, gib * 0.96 * 2**30 - (255 + 11 * pods + 100 + 300) * 2**20))
    return min(cpus for cpus, _ in left), min(memory for _, memory in left)


def bytes_of(size):
    """`8MiB`, `2Gi` in bytes."""
    number, unit = re.fullmatch(r"(\d+)([KMGT])iB?", size).groups()
    return int(number) * 1024 ** " KMGT".index(unit)


@check
def times_fit_each_other():
    """Grace periods, leases, visibility, and what proxies and Kubernetes wait for."""
    problems = []
    lease = int(edge_variables()["lease_s"]["default"])
    for environment in ENVIRONMENTS:
        folder = f"overlays/{environment}"
        pods = deployments(folder)
        lease = int(given(folder, "edge").get("SPIN_VARIABLE_LEASE_S", lease))
        for name in ("worker-cpu", "worker-gpu"):
            settings = worker_keys() | {key: value for key, value in given(folder, name).items() if value is not None}
            seconds = {
                key: as_seconds(settings[f"FRAMELIFT_{key}"])
                for key in ("WORKER_GRACE_PERIOD", "WORKER_PROGRESS", "QUEUE_VISIBILITY", "QUEUE_HEARTBEAT")
            }
            killed = pods[name]["terminationGracePeriodSeconds"]
            expected = {
                "is killed before its grace period is over": killed >= seconds["WORKER_GRACE_PERIOD"] + 5,
                "is told to stop later than a spot instance is taken": killed <= 120,
                "renews its lease too seldom": 2 * seconds["WORKER_PROGRESS"] < lease,
                "extends its message too seldom": 2 * seconds["QUEUE_HEARTBEAT"] <= seconds["QUEUE_VISIBILITY"],
                # Else a message comes back while the lease of a lost worker stops whoever gets it.
                "has leases longer than messages are invisible": lease <= seconds["QUEUE_VISIBILITY"],
            }
            problems += [f"{folder}: {name} {what}" for what, holds in expected.items() if not holds]
        edge = pods["edge"]
        waits = edge["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        annotations = named(folder, "Ingress", "edge")["metadata"]["annotations"]
        deregistered = int(re.search(r"delay\.timeout_seconds=(\d+)", str(annotations))[1])
        idle = int(re.search(r"idle_timeout\.timeout_seconds=(\d+)", str(annotations))[1])
        expected = {
            "is stopped while requests wait for the store": waits >= 10 + 60,
            "is killed while it waits": edge["terminationGracePeriodSeconds"] >= waits + 10,
            "is stopped before the load balancer lets go of it": waits >= deregistered,
            "has requests cut by the load balancer": idle > 60,
            "trusts another number of proxies than there are": given(folder, "edge")["SPIN_VARIABLE_PROXY_HOPS"] == "1",
        }
        problems += [f"{folder}: edge {what}" for what, holds in expected.items() if not holds]
    fail_if(problems)


@check
def workers_have_what_their_jobs_use():
    """Memory for every job at once, also on a full node, no more threads than processors, and as many workers as the queue asks for."""
    problems = []
    simulated = int(re.search(r"PODS_PER_NODE: u64 = (\d+)", read("dev/simulate/src/fleet.rs"))[1])
    for environment in ENVIRONMENTS:
        folder = f"overlays/{environment}"
        for name in ("worker-cpu", "worker-gpu"):
            settings = worker_keys() | {key: value for key, value in given(folder, name).items() if value is not None}
            jobs = int(settings["FRAMELIFT_WORKER_CONCURRENCY"])
            short = int(settings["FRAMELIFT_WORKER_SHORT_CONCURRENCY"])
            resources = deployments(folder)[name]["containers"][0]["resources"]
            cpu = resources["requests"]["cpu"]
            cpus = int(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)
            # Beside its pictures, twice what FFmpeg may allocate at once (docs/security.md).
            job = bytes_of(settings["FRAMELIFT_LIMITS_MAX_MEMORY"]) + 2 * bytes_of("384MiB")
            threads = int(settings["FRAMELIFT_LIMITS_THREADS"])
            node_cpus, node_memory = workers_of_a_node(name.removeprefix("worker-"), environment)
            fit = int(min(node_cpus // cpus, node_memory // bytes_of(resources["requests"]["memory"])))
            if "nvidia.com/gpu" in resources["limits"]:
                fit = min(fit, 1)
            scaled = named(folder, "ScaledObject", name)["spec"]
            queues = [trigger["metadata"] for trigger in scaled["triggers"] if trigger["type"] == "aws-sqs-queue"]
            queue = next(queue for queue in queues if queue["queueURLFromEnv"] == "FRAMELIFT_QUEUE_URL")
            expected = {
                "has less memory than its jobs may use": bytes_of(resources["limits"]["memory"]) >= (jobs + short) * job,
                "fits no node": fit >= 1,
                "may use more memory than its node has for it": fit * bytes_of(resources["limits"]["memory"]) <= node_memory,
                "is simulated with another number to a node": name == "worker-gpu" or fit == simulated,
                "has a thread for each core of the node": 0 < threads and jobs * threads <= cpus + 1,
                "gets fewer messages than it works on": int(queue["queueLength"]) >= jobs,
                "is taken away while it works": all(queue["scaleOnInFlight"] == "true" for queue in queues),
                "does not go to zero without jobs": scaled["minReplicaCount"] == 0 or environment == "prod",
            }
            problems += [f"{folder}: {name} {what}" for what, holds in expected.items() if not holds]
        scaled = named(folder, "ScaledObject", "worker-cpu")["spec"]
        if scaled["minReplicaCount"] == 0 and "cron" not in {trigger["type"] for trigger in scaled["triggers"]}:
            problems.append(f"{folder}: no worker ever comes to call the sweep")
        looked_at = {trigger["metadata"].get("queueURLFromEnv") for trigger in scaled["triggers"]}
        if not {"FRAMELIFT_QUEUE_URL", "FRAMELIFT_QUEUE_SHORT_URL"} <= looked_at:
            problems.append(f"{folder}: no worker comes for the jobs of a queue")
        if named(folder, "HorizontalPodAutoscaler", "edge")["spec"]["minReplicas"] < 2:
            problems.append(f"{folder}: one edge alone: it cannot be replaced")
    fail_if(problems)


@check
def passwords_are_those_of_ses():
    """Known pairs, from the tests of Terraform's AWS provider."""
    known = {
        ("some+secret+key", "eu-central-1"): "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2",
        ("some+secret+key", "us-west-1"): "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj",
    }
    for (key, region), password in known.items():
        command = [sys.executable, str(INFRA / "smtp_password.py"), region]
        printed = subprocess.run(command, input=key + "\n", text=True, capture_output=True, check=True).stdout
        if printed.strip() != password:
            raise Failed(f"{region}: {printed.strip()}, not {password}")
