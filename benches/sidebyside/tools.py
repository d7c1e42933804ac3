"""Paths of the programs, and calls of the helper scripts that need libraries."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Tools:
    framelift: str
    # A Python with the libraries of the peers.
    python: str
    # For temporary folders: archives are large.
    folder: Path
    cores: int

    def script(self, name: str, task: dict[str, Any]) -> dict[str, Any]:
        """The JSON answer of a script beside this one that runs with the peers' libraries."""
        command = [self.python, "-B", str(HERE / name)]
        done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{name} failed: {done.stderr.strip()}")
        return json.loads(done.stdout)
