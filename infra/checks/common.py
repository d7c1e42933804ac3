"""Common code of the checks of `infra/`: declaring checks, running programs, and paths."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
# Where checks may write.
WORK = Path(os.environ.get("FRAMELIFT_INFRA_WORK", ROOT / "target/infra"))
# The programs of this Python's environment.
PROGRAMS = Path(sys.executable).parent


class Skipped(Exception):
    """The check cannot run here. The message says what is missing."""


class Failed(Exception):
    """The check found a problem, which the message describes."""


CHECKS = []


def check(function=None, *, slow=False):
    """Declares a check. `--quick` skips slow ones."""
    if function is None:
        return lambda function: check(function, slow=slow)
    CHECKS.append((function, slow))
    return function


def fail_if(problems):
    """Fails with all problems at once."""
    problems = list(problems)
    if problems:
        raise Failed("\n".join(problems))


def program(name):
    """The path of a program in this environment or the system. Skips the check if it is missing."""
    for found in (PROGRAMS / name, shutil.which(name)):
        if found and os.access(found, os.X_OK):
            return str(found)
    raise Skipped(f"{name} is not installed")


def run(*command, cwd=ROOT, env=None, accept=(0,), timeout=600):
    """Runs a command and returns its output. An exit code that is not in `accept` fails the check."""
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if ended.returncode not in accept:
        shown = " ".join(str(word) for word in command)
        raise Failed(f"`{shown}` ended with {ended.returncode}:\n{ended.stdout[-6000:]}")
    return ended.stdout


def read(path):
    """A file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")
