"""Checks of the Dockerfiles in `infra/images`. `containers.py` builds and runs them."""

import json
import re

from common import INFRA, Failed, check, fail_if, program, read, run
from kubernetes import deployments

FILES = sorted((INFRA / "images").glob("*.Dockerfile"))


def stages(text):
    """The instructions of each stage of a Dockerfile, in order."""
    text = re.sub(r"\\\n", " ", text)
    found = []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("FROM "):
            found.append([])
        if found and line and not line.startswith("#"):
            found[-1].append(line)
    return found


def arguments(file):
    """The build arguments before the first stage."""
    head = file.read_text().split("\nFROM ")[0]
    return {"${%s}" % name for name in re.findall(r"^ARG (\w+)=", head, re.M)}


@check
def hadolint_reports_nothing():
    if not FILES:
        raise Failed("there are no Dockerfiles")
    run(program("hadolint"), "--failure-threshold", "style", *FILES)


@check
def images_run_as_nobody_and_hold_no_tools():
    """The last stages have a numeric user and no shell, and their bases are build arguments."""
    problems = []
    for file in FILES:
        name, final = file.name, stages(file.read_text())
        bases = [stage[0].split()[1] for stage in final]
        built = {stage[0].split()[3] for stage in final if " AS " in stage[0]}
        problems += [f"{name}: the base {base} cannot be pinned" for base in bases if base not in built | arguments(file)]
        shipped = [stage for stage in final if stage[0].split()[1] == "${RUNTIME}"]
        if not shipped:
            problems.append(f"{name}: nothing is built on the runtime's base")
        for stage in shipped:
            if "USER 65532:65532" not in stage:
                problems.append(f"{name}: runs as another user than manifests say")
            problems += [f"{name}: the image needs a shell: {line}" for line in stage if line.startswith(("RUN", "SHELL"))]
            entry = [line for line in stage if line.startswith("ENTRYPOINT")]
            if len(entry) != 1 or not isinstance(json.loads(entry[0].removeprefix("ENTRYPOINT")), list):
                problems.append(f"{name}: starts by way of a shell")
    fail_if(problems)


@check
def spin_is_started_alike():
    """The image's command, the manifest's arguments and the user of both agree, and the same variables are checked before."""
    text = read("infra/images/edge.Dockerfile")
    command = json.loads(re.search(r"^CMD (.+)$", text, re.M)[1])
    pod = deployments("overlays/prod")["edge"]
    arguments = pod["containers"][0]["args"]
    problems = []
    if sorted(command) != sorted(arguments):
        problems.append(f"the image runs {command}, the manifest {arguments}")
    if "--max-instance-reuse-count=16" not in arguments:
        problems.append("instances are reused more often than they can swap")
    first = pod["initContainers"][0]
    if first["command"] != ["/app/framelift-stack", "check-variables", "--manifest=/app/spin.toml"] or "release/framelift-stack /out/" not in text:
        problems.append("variables are not checked before the start")
    if (first["envFrom"], first["image"]) != (pod["containers"][0]["envFrom"], pod["containers"][0]["image"]):
        problems.append("other variables are checked than Spin gets")
    if '"-g"' not in text:
        problems.append("signals reach the first of Spin's processes alone")
    if str(pod["securityContext"]["runAsUser"]) + ":" not in text:
        problems.append("image and manifest have different users")
    fail_if(problems)
