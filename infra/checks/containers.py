"""Builds the images and runs them as the manifests do: read-only root, no capabilities, nobody's user.

`cargo xtask infra --images` asks for it. The base is made of Debian's packages instead of being pulled, the programs are
those of this checkout instead of being compiled in the image, and buildah and runc stand in for a registry, Docker and
Kubernetes. Everything after `FROM ${PROGRAM}` is what is shipped.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from common import INFRA, ROOT, Failed, Skipped, check, program, run
from kubernetes import deployments

# The packages of distroless/cc.
BASE = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "libstdc++6", "netbase", "tzdata"]
USER = 65532
VIDEO = ROOT / "e2e/media/cars-30s.mp4"
TIMEOUT_S = 240


def programs():
    """The folder of the programs for the images. Skips the check if images were not requested."""
    folder = os.environ.get("FRAMELIFT_IMAGES_PROGRAMS")
    if not folder:
        raise Skipped("FRAMELIFT_IMAGES_PROGRAMS names no folder of programs")
    if os.geteuid() != 0:
        raise Skipped("buildah and runc are run as root here")
    return Path(folder)


class Images:
    """A local store of images, without a registry."""

    def __init__(self, folder):
        self.folder = folder
        self.buildah = [
            program("buildah"), "--storage-driver", "vfs", "--root", folder / "images", "--runroot", folder / "run",
        ]

    def run(self, *arguments):
        return run(*self.buildah, *arguments, timeout=900).strip()

    def of_files(self, name, files, *config):
        """Makes an image of these files only: (from, to)."""
        container = self.run("from", "--pull-never", "scratch")
        for source, target in files:
            self.run("add", "--quiet", container, source, target)
        if config:
            self.run("config", *config, container)
        self.run("commit", "--quiet", container, f"localhost/{name}")
        self.run("rm", container)
        return f"localhost/{name}"

    def base(self):
        """Makes a base image: a C library, certificates, an unprivileged user, no shell."""
        tree = self.folder / "base"
        run(program("mmdebstrap"), "--variant=extract", "--quiet", f"--include={','.join(BASE)}", "bookworm", tree, timeout=600)
        bundle = tree / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        certificates = sorted((tree / "usr/share/ca-certificates").rglob("*.crt"))
        bundle.write_text("".join(file.read_text() for file in certificates))
        (tree / "etc/passwd").write_text(f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/tmp:/sbin/nologin\n")
        (tree / "etc/group").write_text(f"root:x:0:\nnonroot:x:{USER}:\n")
        shutil.rmtree(tree / "var", ignore_errors=True)
        return self.of_files("runtime", [(tree, "/")])

    def build(self, dockerfile, target, **arguments):
        """Builds the shipped stages of a Dockerfile, without those that compile."""
        text = (INFRA / "images" / dockerfile).read_text()
        head, *stages = re.split(r"^(?=FROM )", text, flags=re.M)
        shipped = self.folder / dockerfile
        shipped.write_text(head + "".join(stage for stage in stages if not stage.startswith("FROM ${RUST}")))
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        image = f"localhost/{target}"
        self.run("bud", "--quiet", "--isolation", "chroot", "--pull-never", "--target", target, *given, "--tag", image, "--file", shipped, context)
        return image

    @contextlib.contextmanager
    def unpacked(self, image):
        """Unpacks the image. Returns the folder of its files, and its configuration."""
        container = self.run("from", "--pull-never", image)
        described = json.loads(self.run("inspect", "--type", "image", image))["OCIv1"]
        try:
            yield Path(self.run("mount", container)), described["config"]
        finally:
            self.run("umount", container)
            self.run("rm", container)


class Container:
    """A container of runc with the security context of a deployment, in the network of this machine."""

    def __init__(self, folder, name, root, image, pod, arguments, environment, mounts):
        context = pod["containers"][0]["securityContext"]
        user = pod["securityContext"]["runAsUser"]
        if not (context["readOnlyRootFilesystem"] and context["capabilities"] == {"drop": ["ALL"]} and not context["allowPrivilegeEscalation"]):
            raise Failed(f"{name}: the manifest's security context is not the one that is tried here")
        if image["User"].split(":")[0] != str(user):
            raise Failed(f"{name}: the image's user is {image['User']}, the manifest's {user}")
        self.name, self.bundle = f"framelift-{name}-{os.getpid()}", folder / name
        self.bundle.mkdir()
        none = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
        spec = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": user, "gid": user},
                "args": image["Entrypoint"] + arguments,
                "env": image.get("Env", []) + [f"{key}={value}" for key, value in environment.items()],
                "cwd": image.get("WorkingDir") or "/",
                "capabilities": none,
                "noNewPrivileges": True,
            },
            "root": {"path": str(root), "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
                {"destination": "/etc/resolv.conf", "type": "bind", "source": "/etc/resolv.conf", "options": ["bind", "ro"]},
            ]
            + mounts,
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        }
        (self.bundle / "config.json").write_text(json.dumps(spec))
        self.runc = [program("runc"), "--root", folder / "runc"]
        self.log = self.bundle / "log"

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(word) for word in [*self.runc, "run", "--bundle", self.bundle, self.name]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        return self

    def end(self):
        """Stops the container as Kubernetes does. Returns its exit code."""
        run(*self.runc, "kill", self.name, "TERM")
        return self.process.wait(timeout=60)

    def said(self):
        return self.log.read_text()

    def __exit__(self, *_):
        if self.process.poll() is None:
            subprocess.run([str(word) for word in [*self.runc, "kill", self.name, "KILL"]], check=False)
            self.process.wait(timeout=60)


def until(what, ask, container):
    """Polls until there is an answer."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answer = ask()
        if answer is not None:
            return answer
        if container.process.poll() is not None:
            raise Failed(f"the container ended with {container.process.returncode} before {what}:\n{container.said()[-4000:]}")
        if time.monotonic() > deadline:
            raise Failed(f"timed out waiting for {what}:\n{container.said()[-4000:]}")
        time.sleep(0.2)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def call(url, method="GET", body=None, token=None, headers=()):
    """Makes an HTTP call. Returns the decoded JSON, or the bytes."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers))
    if isinstance(body, dict):
        request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        read = answer.read()
        return json.loads(read) if "json" in answer.headers.get("content-type", "") else read


def answers(url):
    """True if a URL answers with success, else None."""
    with contextlib.suppress(urllib.error.URLError, OSError):
        call(url)
        return True
    return None


@contextlib.contextmanager
def stack(folder, binaries):
    """The local stack without workers."""
    data = folder / "data"
    log = (folder / "stack.log").open("w+")
    command = [binaries / "framelift-stack", "up", "--workers", "0", "--port", "0", "--data", data]
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while "framelift is ready" not in (folder / "stack.log").read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the stack did not start:\n{(folder / 'stack.log').read_text()}")
            time.sleep(0.2)
        yield json.loads((data / "stack.json").read_text()), json.loads((data / "secrets.json").read_text())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def extract(api, wait):
    """Extracts frames by the API. Returns the archive's bytes."""
    account = {"email": "ada@example.com", "password": "correct horse battery"}
    call(f"{api}/auth/register", "POST", {"name": "Ada", **account})
    token = call(f"{api}/auth/login", "POST", account)["access_token"]
    video = VIDEO.read_bytes()
    wanted = {"file_name": VIDEO.name, "size_bytes": len(video), "options": {"select": {"count": 3}}}
    created = call(f"{api}/videos", "POST", wanted, token)
    upload = created["upload"]
    call(upload["url"], upload["method"], video, headers=upload["headers"].items())
    one = f"{api}/videos/{created['id']}"
    call(f"{one}/complete", "POST", b"", token)

    def ended():
        found = call(one, token=token)
        return found if found["completed_at"] else None

    found = wait("the video's end", ended)
    if found["status"] != "completed":
        raise Failed(f"the video is {found['status']}: {found['failure']}")
    return call(f"{one}/download", token=token)


@check(slow=True)
def the_workers_image_is_built_and_extracts_as_nobody():
    """The decoder's sandbox is required, and works without any privilege."""
    binaries = programs()
    if not (binaries / "framelift-worker").exists():
        raise Skipped(f"there is no framelift-worker in {binaries}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = Images(folder)
        files = images.of_files("program", [(binaries / "framelift-worker", "/out/framelift-worker")])
        image = images.build("worker.Dockerfile", "worker", RUNTIME=images.base(), PROGRAM=files)
        pod = deployments("overlays/prod")["worker-cpu"]
        with images.unpacked(image) as (root, config), stack(folder, binaries) as (info, secrets):
            for tool in ("bin/sh", "usr/bin/sh", "usr/bin/apt-get", "usr/bin/dpkg"):
                if (root / tool).exists():
                    raise Failed(f"the image has /{tool}")
            port = free_port()
            smtp_host, smtp_port = info["smtp"].rsplit(":", 1)
            environment = {
                "FRAMELIFT_CONTROL_URL": info["api"], "FRAMELIFT_CONTROL_TOKEN": secrets["worker_token"],
                "FRAMELIFT_QUEUE_URL": info["queue_url"], "FRAMELIFT_QUEUE_DEAD_LETTER_URL": info["dead_letter_url"],
                "FRAMELIFT_QUEUE_ENDPOINT": info["sqs"], "FRAMELIFT_STORE_BUCKET": info["bucket"],
                "FRAMELIFT_STORE_ENDPOINT": info["s3"], "FRAMELIFT_STORE_PATH_STYLE": "true",
                "FRAMELIFT_SMTP_HOST": smtp_host, "FRAMELIFT_SMTP_PORT": smtp_port, "FRAMELIFT_SMTP_TLS": "none",
                "FRAMELIFT_SMTP_FROM": "framelift@localhost", "FRAMELIFT_LINKS_PUBLIC_URL": info["api"],
                "FRAMELIFT_HEALTH_LISTEN": f"127.0.0.1:{port}", "FRAMELIFT_WORKER_SANDBOX": "required",
                "FRAMELIFT_LIMITS_HARDWARE": "never", "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": info["access_key_id"], "AWS_SECRET_ACCESS_KEY": info["secret_access_key"],
            }
            with Container(folder, "worker", root, config, pod, [], environment, []) as container:
                until("readiness", lambda: answers(f"http://127.0.0.1:{port}/health/ready"), container)
                archive = extract(info["api"], lambda what, ask: until(what, ask, container))
                if not archive.startswith(b"PK"):
                    raise Failed("the archive is none")
                code = container.end()
                if code != 0:
                    raise Failed(f"SIGTERM ended the worker with {code}:\n{container.said()[-4000:]}")
