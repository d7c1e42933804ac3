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
def what_is_pushed_is_signed_by_its_digest():
    """Runs the steps that sign, and the one that pushes the app, with programs in `docker`'s and `cosign`'s place that say what they were asked."""
    folder = WORK / "signing"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    digest = "sha256:" + "e" * 64
    stand_ins = {"cosign": 'echo "cosign $*" >> "$ASKED"', "docker": f'echo "docker $*" >> "$ASKED"; echo "Pushed with digest {digest}"'}
    for name, script in stand_ins.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    given = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "ASKED": str(folder / "asked"), "GITHUB_OUTPUT": str(folder / "output"),
        "HOME": str(folder), "TAG": "v9.8.7", "IDENTITY": "https://example.com/w@refs/tags/v9.8.7",
        "IMAGE": "worker", "DIGEST": digest, "REGISTRY": "r/p", "EDGE": "r/p/edge@" + digest, "APP": "r/p/edge-app",
    }
    for job, step in (("images", "sign what was pushed, by its digest, and look at it as others would"), ("app", "push the app with Spin, and sign it")):
        code, said = bash(steps("release.yml", job)[step], folder, **given)
        if code:
            raise Failed(said)
    asked, output = (folder / "asked").read_text(), (folder / "output").read_text()
    expected = [f"cosign sign --yes r/p/worker@{digest}", f"cosign sign --yes r/p/edge-app@{digest}", f"r/p/edge@{digest} registry push --from=/app/spin.toml r/p/edge-app:v9.8.7"]
    problems = [f"nobody asks for {wanted}: {asked}" for wanted in expected if wanted not in asked]
    if output != f"worker={digest}\nedge-app={digest}\n":
        problems.append(f"the next job is told {output!r}")
    # A digest that Spin does not print must not be taken for one.
    (folder / "bin/docker").write_text("#!/bin/sh\necho no digest here\n")
    if bash(steps("release.yml", "app")["push the app with Spin, and sign it"], folder, **given)[0] == 0:
        problems.append("an app without a digest is signed")
    fail_if(problems)


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
