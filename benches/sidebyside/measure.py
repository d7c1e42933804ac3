"""Runs a case: all programs in turns, round after round, and measures what each of them costs."""

import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidebyside import commands, match
from sidebyside.cases import Case
from sidebyside.commands import Job, Tool
from sidebyside.run import Cost, Failed, measured
from sidebyside.tools import Tools

OURS = "framelift"
# Another program is not run again after so many seconds and at least two runs.
MAX_PEER_SECONDS = 100.0


@dataclass
class Row:
    """One program in one case."""

    name: str
    tool: Tool
    aim: float | None = None
    costs: list[Cost] = field(default_factory=list)
    # Its seconds over framelift's, round by round.
    ratios: list[float] = field(default_factory=list)
    archive_bytes: int = 0
    images: int = 0
    # psnr_luma, ssim_luma and psnr_rgb against the reference decode.
    pictures: dict[str, float] = field(default_factory=dict)
    # Why it could not be measured.
    failed: str = ""

    @property
    def seconds(self) -> float:
        return statistics.median(cost.seconds for cost in self.costs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(cost.cpu_seconds for cost in self.costs)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def peak_bytes(self) -> int:
        return max(cost.peak_bytes for cost in self.costs)


@dataclass(frozen=True)
class Limit:
    """The least time on this machine: CPU seconds of decoding and of encoding, divided by its cores."""

    decoding: float
    encoding: float
    cores: int

    @property
    def seconds(self) -> float:
        return (self.decoding + self.encoding) / self.cores


@dataclass
class Result:
    """A case with all of its rows, framelift's first."""

    case: Case
    rows: list[Row]
    quality: int
    # The output of framelift's last run.
    summary: dict[str, Any] = field(default_factory=dict)
    limit: Limit | None = None

    @property
    def ours(self) -> Row:
        return self.rows[0]


def run(case: Case, video: Path, quality: int, tools: Tools, rounds: int) -> Result:
    """Measures a case. Without other programs, in one round, for its memory."""
    rows = [Row(OURS, case.ours), *(Row(peer.name, peer.tool, peer.aim) for peer in case.peers)]
    result = Result(case, rows, quality)
    with tempfile.TemporaryDirectory(dir=tools.folder) as folder:
        def job(row: Row) -> Job:
            archive = Path(folder) / f"{rows.index(row)}.zip"
            return Job(video, archive, case.format, result.quality, tools.framelift, tools.python)

        for row in rows:
            attempt(row, job(row))
        if result.ours.failed:
            return result
        if case.same_number and case.peers and not rows[1].failed:
            lower_quality(result, job)
        if case.peers:
            for row in rows:
                row.costs.clear()
            for _ in range(rounds):
                one_round(result, job)
        for row in rows:
            row.archive_bytes = 0 if row.failed else job(row).archive.stat().st_size
        result.summary = json.loads(result.ours.costs[-1].output)
        compare_pictures(result, video, tools, {row.name: job(row).archive for row in rows if not row.failed})
        if case.least_decoding:
            result.limit = limit(result, video, tools, job(result.ours).archive)
    return result


def attempt(row: Row, job: Job) -> None:
    try:
        row.costs.append(commands.run(row.tool, job))
    except Failed as failure:
        row.failed = str(failure)


def lower_quality(result: Result, job: Callable[[Row], Job]) -> None:
    """Lowers the quality while framelift's archive is larger than the first program's."""
    ours, peer_archive = job(result.rows[0]).archive, job(result.rows[1]).archive
    while ours.stat().st_size > peer_archive.stat().st_size and result.quality > 1:
        if result.case.format in match.LOSSLESS:
            return
        result.quality -= 1
        attempt(result.ours, job(result.ours))


def one_round(result: Result, job: Callable[[Row], Job]) -> None:
    for row in result.rows:
        is_measured = len(row.costs) < 2 or sum(cost.seconds for cost in row.costs) < MAX_PEER_SECONDS
        if row.failed or not (is_measured or row is result.ours):
            continue
        attempt(row, job(row))
        if not row.failed:
            row.ratios.append(row.costs[-1].seconds / result.ours.costs[-1].seconds)


def compare_pictures(result: Result, video: Path, tools: Tools, archives: dict[str, Path]) -> None:
    """Counts the images and compares some of them with another decoder's pictures."""
    task = {
        "video": str(video),
        "compare": result.case.same_pictures and bool(result.case.peers),
        "archives": {name: str(path) for name, path in archives.items()},
    }
    found = tools.script("pictures.py", task)
    for row in result.rows:
        if row.name in found:
            row.images = found[row.name].pop("images")
            row.pictures = found[row.name]


def limit(result: Result, video: Path, tools: Tools, archive: Path) -> Limit:
    """The least time for decoding and encoding, without waiting, conversion and archive."""
    decoding = ["ffmpeg", "-v", "error", "-nostdin", "-skip_frame", result.case.least_decoding or "default",
                "-i", str(video), "-map", "0:v", "-f", "null", "-"]
    with tempfile.TemporaryDirectory(dir=tools.folder) as folder:
        runs = [measured(decoding, Path(folder)).cpu_seconds for _ in range(3)]
    task = {"archive": str(archive), "quality": result.quality}
    each = tools.script("encoding.py", task)["cpu_seconds_per_image"]
    return Limit(statistics.median(runs), each * result.ours.images, tools.cores)
