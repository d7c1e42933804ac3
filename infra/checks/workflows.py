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
    """Runs the step that changes the overlays in a temporary repository, without `gh` and the push; and once without a digest."""
    script = steps("release.yml", "propose")["propose the tag to every environment"]
    folder = WORK / "proposal"
    shutil.rmtree(folder, ignore_errors=True)
    kubernetes = "infra/kubernetes"
    shutil.copytree(ROOT / kubernetes, folder / kubernetes)
    code, said = bash("git init --quiet . && git add --all && git -c user.name=a -c user.email=a@b commit --quiet -m a", folder)
    if code:
        raise Failed(said)
    script = "\n".join(line for line in script.splitlines() if not line.startswith(("gh ", "git push ")))
    digests = {image: "sha256:" + letter * 64 for image, letter in [("edge", "a"), ("worker", "b"), ("worker-gpu", "c"), ("edge-app", "d")]}
    if bash(script, folder, TAG="v9.8.7", DIGESTS="edge=")[0] == 0:
        raise Failed("an image without a digest is proposed")
    code, said = bash(script, folder, TAG="v9.8.7", DIGESTS=" ".join(f"{image}={digest}" for image, digest in digests.items()))
    overlays = sorted((folder / kubernetes / "overlays").glob("*/kustomization.yaml"))
    left = [
        f"{file.parent.name}: {image}"
        for file in overlays
        for image in yaml.safe_load(file.read_text())["images"]
        if (image["newTag"], image["digest"]) != ("v9.8.7", digests[image["name"]])
    ]
    if f"/edge-app:v9.8.7@{digests['edge-app']}\n" not in (folder / kubernetes / "spinkube/edge.yaml").read_text():
        left.append("spinkube: edge-app")
    if code or left or len(overlays) != 3 or "deploy-v9.8.7" not in bash("git branch --show-current", folder)[1]:
        raise Failed("\n".join([said, *left]))
