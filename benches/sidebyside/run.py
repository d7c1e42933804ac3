"""Runs a command and measures its cost."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Cost:
    """The cost of all processes of a run."""

    seconds: float = 0.0
    # User and system time of all threads.
    cpu_seconds: float = 0.0
    # Maximum of resident memory of one process.
    peak_bytes: int = 0
    output: str = field(default="", repr=False)

    def add(self, other: "Cost") -> None:
        self.seconds += other.seconds
        self.cpu_seconds += other.cpu_seconds
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        self.output += other.output


class Failed(Exception):
    """A command failed. The message has the end of its output."""


def measured(command: list[str], folder: Path) -> Cost:
    """Runs `command` in `folder`.

    The peak of a child counts this process too, up to where the child became another program; this
    process therefore stays small and imports no libraries.
    """
    outputs = folder / ".stdout", folder / ".stderr"
    try:
        with open(outputs[0], "w+b") as out, open(outputs[1], "w+b") as err:
            start = time.perf_counter()
            child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            words = outputs[1].read_text(errors="replace").strip().splitlines()
            words = [line for line in words if line.startswith("error")] or words[-1:]
            raise Failed(f"{Path(command[0]).name}: {words[0] if words else f'exit code {child.returncode}'}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024,
                    outputs[0].read_text(errors="replace"))
    finally:
        for output in outputs:
            output.unlink(missing_ok=True)


def checked(command: list[str]) -> str:
    """The standard output of a command that must succeed and is not measured."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout


def need(program: str, why: str) -> None:
    """Exits with a message if a program is missing."""
    if shutil.which(program) is None:
        sys.exit(f"{program} is missing: {why}")
