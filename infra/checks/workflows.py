"""Checks of GitHub's workflows: syntax, security, and that third-party actions are pinned."""

import os
import re
import shutil
import subprocess

import yaml

from common import ROOT, WORK, Failed, check, fail_if, program, run

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))


@check
def actionlint_reports_nothing():
    if not FILES:
        raise Failed("there are no workflows")
    run(program("actionlint"), *FILES)


@check
def zizmor_reports_nothing():
    run(program("zizmor"), "--offline", "--no-progress", *FILES)


@check
def actions_are_pinned_by_digest():
    """With the version in a comment for readers."""
    problems = []
    for file in FILES:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            used = re.search(r"uses:\s*(\S+)(.*)", line)
            if used and not (re.search(r"@[0-9a-f]{40}$", used[1]) and re.match(r" # v\d+\.\d+\.\d+$", used[2])):
                problems.append(f"{file.name}:{number}: {used[1]}")
    fail_if(problems)


def steps(workflow, job):
    """The scripts of a job, by the steps' names."""
    parsed = yaml.safe_load((ROOT / ".github/workflows" / workflow).read_text())
    return {step.get("name"): step["run"] for step in parsed["jobs"][job]["steps"] if "run" in step}


def bash(script, folder, **variables):
    """Runs a step as GitHub does. Returns its exit code and its output."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    ended = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True)
    return ended.returncode, ended.stdout + ended.stderr


@check
def a_release_needs_digests_and_its_own_version():
    """Runs the step that refuses a release."""
    script = steps("release.yml", "images")["the bases are named by digest, and the tag is the version"]
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    pinned = f"rust@sha256:{'0' * 64}"
    for bases, tag, accepted in [
        (f"{pinned} {pinned}", f"v{version}", True),
        (f"{pinned} debian:12", f"v{version}", False),
        (f"{pinned} {pinned}", "v99.0.0", False),
    ]:
        code, said = bash(script, ROOT, BASES=bases, TAG=tag)
        if (code == 0) != accepted:
            raise Failed(f"bases {bases!r} and tag {tag!r}: {code}, {said}")


@check
def a_release_is_proposed_to_every_environment():
    """Runs the step that changes the overlays in a temporary repository, without `gh` and the push."""
    script = steps("release.yml", "propose")["propose the tag to every environment"]
    folder = WORK / "proposal"
    shutil.rmtree(folder, ignore_errors=True)
    overlays = "infra/kubernetes/overlays"
    shutil.copytree(ROOT / overlays, folder / overlays)
    code, said = bash("git init --quiet . && git add --all && git -c user.name=a -c user.email=a@b commit --quiet -m a", folder)
    if code:
        raise Failed(said)
    script = "\n".join(line for line in script.splitlines() if not line.startswith(("gh ", "git push ")))
    code, said = bash(script, folder, TAG="v9.8.7")
    left = [
        f"{file.parent.name}: {line.strip()}"
        for file in sorted((folder / overlays).glob("*/kustomization.yaml"))
        for line in file.read_text().splitlines()
        if "newName" in line and "newTag: v9.8.7}" not in line
    ]
    if code or left or "deploy-v9.8.7" not in bash("git branch --show-current", folder)[1]:
        raise Failed("\n".join([said, *left]))
