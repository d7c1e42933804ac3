"""Checks of `infra/terraform`: formatting, types, rules, and that an apply succeeds and a second plan is empty."""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from common import INFRA, WORK, Failed, Skipped, check, fail_if, program, read, run

SOURCE = INFRA / "terraform"
COPY = WORK / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws"


@functools.cache
def environment():
    """Environment variables for Terraform: no input, and the provider from a local folder if there is one."""
    variables = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    configuration = os.environ.get("TF_CLI_CONFIG_FILE")
    if not configuration or not Path(configuration).exists():
        variables["TF_CLI_CONFIG_FILE"] = ""
        for folder in [Path("/usr/local/share/terraform/plugins"), *sorted(Path("/opt").glob("*"))]:
            if (folder / PROVIDER).is_dir():
                WORK.mkdir(parents=True, exist_ok=True)
                file = WORK / "mirror.tfrc"
                file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n')
                variables["TF_CLI_CONFIG_FILE"] = str(file)
    return variables


@functools.cache
def copy():
    """Copies the modules, so that Terraform can write its folders. The copy has no backend."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(SOURCE, COPY, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return COPY


@functools.cache
def initialised(folder):
    """Initialises a folder of the copy. Skips the check if the provider is missing."""
    terraform = program("terraform")
    path = copy() / folder
    try:
        run(terraform, "init", "-backend=false", "-no-color", cwd=path, env=environment())
    except Failed as failed:
        if "provider" in str(failed):
            raise Skipped("Terraform's AWS provider cannot be had here") from failed
        raise
    return path


def terraform(folder, *arguments, **options):
    """Runs Terraform in a folder of the copy."""
    path = initialised(folder)
    return run(program("terraform"), *arguments, cwd=path, env=environment(), **options)


@check
def terraform_is_formatted():
    run(program("terraform"), "fmt", "-check", "-diff", "-recursive", SOURCE, env=environment())


@check
def the_production_environment_is_valid():
    terraform("environments/prod", "validate", "-no-color")


@check
def the_development_environment_is_valid():
    terraform("environments/dev", "validate", "-no-color")


@check
def the_tests_of_the_modules_pass():
    """`terraform test` with a mocked provider: what buckets, queues, tables, roles and nodes must be."""
    output = terraform("checks", "test", "-no-color")
    if not re.search(r"Success! [1-9]\d* passed, 0 failed", output):
        raise Failed(output)


@check(slow=True)
def the_modules_can_be_applied_and_a_second_plan_is_empty():
    """Applies the modules to an emulator of AWS, compares the result, and checks that a second plan is empty.

    Then restores the tables as the runbook says: what was never tried does not work.
    """
    server = os.environ.get("FRAMELIFT_TEST_MOTO_SERVER")
    if not server or not Path(server).exists():
        raise Skipped("FRAMELIFT_TEST_MOTO_SERVER names no moto_server")
    initialised("checks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    with (WORK / "moto.log").open("w") as log:
        start = [Path(server).parent / "python", INFRA / "checks/emulator.py", "--host", "127.0.0.1", "--port", str(port)]
        moto = subprocess.Popen(start, stdout=log, stderr=log)
    try:
        until_it_answers(endpoint, moto)
        variable = f"-var=endpoint={endpoint}"
        terraform("checks", "apply", "-auto-approve", "-no-color", variable)
        outputs = json.loads(terraform("checks", "output", "-json"))
        fail_if(differences(server, endpoint, {name: output["value"] for name, output in outputs.items()}))
        try:
            terraform("checks", "plan", "-detailed-exitcode", "-no-color", variable)
        except Failed as failed:
            raise Failed(f"a second plan is not empty: {failed}") from failed
        restored(server, endpoint, variable)
    finally:
        moto.terminate()
        moto.wait()


def restored(server, endpoint, variable):
    """Takes the steps 2 and 3 of *Restore* in docs/operations.md: new tables are as protected, and are those that the edge may use."""
    tables, suffix = json.loads(terraform("checks", "output", "-json"))["tables"]["value"], "-r1"
    run(Path(server).parent / "python", INFRA / "checks/aws_restore.py", endpoint, suffix, *tables.values())
    for store, table in tables.items():
        address = f'module.tables.aws_dynamodb_table.store["{store}"]'
        terraform("checks", "state", "rm", address)
        terraform("checks", "import", "-no-color", variable, f"-var=table_suffix={suffix}", address, table + suffix)
    terraform("checks", "apply", "-auto-approve", "-no-color", variable, f"-var=table_suffix={suffix}")
    outputs = json.loads(terraform("checks", "output", "-json"))
    fail_if(differences(server, endpoint, {name: output["value"] for name, output in outputs.items()}))
    if set(outputs["tables"]["value"].values()) != {table + suffix for table in tables.values()}:
        raise Failed(f"the manifests are told {outputs['tables']['value']}")


def until_it_answers(endpoint, process):
    """Waits until the server answers or has exited."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise Failed("moto_server ended; its log is target/infra/moto.log")


def differences(server, endpoint, outputs):
    """Differences between the server's resources and what the programs expect. The emulator's Python has the client."""
    asked = run(
        Path(server).parent / "python", INFRA / "checks/aws_differences.py", endpoint, json.dumps(outputs)
    )
    return [line for line in asked.splitlines() if line]


def as_seconds(duration):
    """`60s`, `5m`, `12h` in seconds."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


@check
def queues_agree_with_the_worker():
    """The defaults of the modules and of the worker's configuration agree on visibility and attempts."""
    queues = read("infra/terraform/modules/queues/main.tf")
    worker = read("docs/samples/worker.toml")
    tries = int(re.search(r"const MAX_TRIES: u32 = (\d+);", read("host-worker/src/dead_letter.rs"))[1])
    visibility = as_seconds(re.search(r'visibility = "(\w+)"', worker)[1])
    problems = []
    if default_of(queues, "visibility_seconds") != visibility:
        problems.append(f"modules/queues: visibility is not the worker's {visibility} s")
    if default_of(queues, "max_receive_count") != tries:
        problems.append(f"modules/queues: redrives after another number of receives than the worker's {tries} tries")
    fail_if(problems)


@check
def objects_live_as_long_as_the_edge_promises():
    """The bucket's lifecycle, a safety net, removes nothing that the edge's settings still keep."""
    storage = read("infra/terraform/modules/storage/main.tf")
    seconds = {
        name: int(re.search(rf'^{name} = {{ default = "(\d+)"', read("spin.toml"), re.M)[1])
        for name in ("retention_s", "upload_ttl_s", "max_job_s")
    }
    day = 86400
    problems = []
    if default_of(storage, "abort_multipart_days") * day < seconds["upload_ttl_s"]:
        problems.append("unfinished uploads are aborted before upload_ttl_s")
    if default_of(storage, "abort_multipart_days") * day < seconds["max_job_s"]:
        problems.append("a result's upload is aborted while its job may run")
    if default_of(storage, "results_days") * day < seconds["retention_s"] + day:
        problems.append("results expire before retention_s")
    least = seconds["upload_ttl_s"] + seconds["max_job_s"] + 2 * seconds["retention_s"] + day
    if default_of(storage, "uploads_days") * day < least:
        problems.append("uploads expire while a run may use them")
    fail_if(problems)


@check
def every_prefix_of_objects_is_reached():
    """The worker and the edge can access every prefix that the code uses in the bucket, and no other."""
    prefixes = set(re.findall(r'^pub const \w+: &str = "([a-z]+/)";', read("crates/contract/src/object_key.rs"), re.M))
    identity = read("infra/terraform/modules/identity/main.tf")
    names = dict(re.findall(r'^  (\w+) += "\$\{var\.bucket_arn\}/([a-z]+/)\*"', identity, re.M))
    problems = [f"modules/identity does not know {prefix}" for prefix in sorted(prefixes - set(names.values()))]
    problems += [f"modules/identity opens {prefix}" for prefix in sorted(set(names.values()) - prefixes)]
    worker, signer = identity.split("    worker = [")[1].split("    keda = [")[0], identity.split("  signer = [")[1]
    for principal, statements in (("worker", worker), ("signer", signer)):
        problems += [f"the {principal} does not reach {names[name]}" for name in names if f"local.{name}" not in statements]
    fail_if(problems)


def default_of(module, variable):
    """The default of a numeric variable of a module."""
    return int(re.search(rf'variable "{variable}" {{[^}}]*?default\s+= (\d+)', module)[1])


@check(slow=True)
def checkov_finds_nothing_unexplained():
    """Every finding is fixed, or has a reason beside the resource."""
    checkov = os.environ.get("FRAMELIFT_CHECKOV")
    if not checkov or not Path(checkov).exists():
        raise Skipped("FRAMELIFT_CHECKOV names no checkov")
    run(
        checkov, "--directory", SOURCE, "--skip-path", SOURCE / "checks", "--framework", "terraform", "--quiet", "--compact",
        "--skip-download", "--download-external-modules", "false",
    )
    without = [
        f"{file.relative_to(SOURCE)}: {line.strip()}"
        for file in SOURCE.rglob("*.tf")
        for line in file.read_text().splitlines()
        if "checkov:skip" in line and not re.search(r"checkov:skip=CKV2?_AWS_\d+:\S", line)
    ]
    fail_if(f"a finding is passed over without a reason: {line}" for line in without)
