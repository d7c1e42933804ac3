"""Commands that make an archive of frames: framelift's, and those of other programs as their experts use them."""

import os
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sidebyside.footage import FFMPEG
from sidebyside.run import Cost, measured

PEERS = Path(__file__).resolve().parent.parent / "peers"
SUFFIX = {"jpeg": "jpg"}
# ffmpeg's arguments for each format. For JPEG, the best quality in common use.
FFMPEG_QUALITY = {"jpeg": ["-q:v", "2"], "png": [], "webp": ["-c:v", "libwebp", "-quality", "90"]}
AVIF = ["-c:v", "libaom-av1", "-still-picture", "1", "-cpu-used", "6", "-crf", "20", "-row-mt", "1"]


@dataclass(frozen=True)
class Job:
    """The job that a tool makes its commands for. They run in an empty folder."""

    video: Path
    archive: Path
    format: str
    quality: int
    framelift: str
    python: str


Commands = list[list[str]]
Tool = Callable[[Job], Commands]


def framelift(*arguments: str, default_quality: bool = False) -> Tool:
    def commands(job: Job) -> Commands:
        chosen = not default_quality and job.format != "png"
        quality = ["--quality", str(job.quality)] if chosen else []
        return [[job.framelift, "extract", str(job.video), "-o", str(job.archive), "--force", "--quiet",
                 "--json", "--format", job.format, *quality, *arguments]]
    return commands


def zip_stored(job: Job) -> list[str]:
    return ["zip", "-q", "-0", "-r", str(job.archive), ".", "-i", f"*.{SUFFIX.get(job.format, job.format)}"]


def ffmpeg(*after: str, before: tuple[str, ...] = ()) -> Tool:
    """One pass, then `zip -0`."""
    def commands(job: Job) -> Commands:
        images = f"%06d.{SUFFIX.get(job.format, job.format)}"
        quality = FFMPEG_QUALITY[job.format]
        return [[*FFMPEG, *before, "-i", str(job.video), *after, *quality, images], zip_stored(job)]
    return commands


def one_image(job: Job, time: str, threads: tuple[str, ...] = ()) -> list[str]:
    """The ffmpeg run that seeks to a time and writes its image, named after the time."""
    quality = AVIF if job.format == "avif" else FFMPEG_QUALITY[job.format]
    name = f"{time}.{SUFFIX.get(job.format, job.format)}"
    return [*FFMPEG, *threads, "-ss", time, "-i", str(job.video), "-frames:v", "1", *quality, name]


def padded(times: list[float]) -> list[str]:
    """Times as names that sort in order."""
    return [f"{time:010.4f}" for time in times]


def ffmpeg_each(times: list[float], *before: str) -> Tool:
    """One ffmpeg for each image, one after the other, then `zip -0`."""
    def commands(job: Job) -> Commands:
        return [*(one_image(job, time, before) for time in padded(times)), zip_stored(job)]
    return commands


def ffmpeg_each_at_once(times: list[float]) -> Tool:
    """Like `ffmpeg_each`, but as many concurrently as there are cores, each decoding on one thread."""
    def commands(job: Job) -> Commands:
        xargs = ["xargs", "-P", str(os.cpu_count() or 1), "-I", "{}", *one_image(job, "{}", ("-threads", "1"))]
        return [["sh", "-c", f"printf '%s\\n' {' '.join(padded(times))} | {shlex.join(xargs)}"], zip_stored(job)]
    return commands


def script(name: str, *arguments: str) -> Tool:
    """A program of `benches/peers`."""
    def commands(job: Job) -> Commands:
        return [[job.python, "-B", str(PEERS / name), str(job.video), str(job.archive), *arguments,
                 "--format", job.format, "--quality", str(job.quality)]]
    return commands


def run(tool: Tool, job: Job) -> Cost:
    """One run in a new folder, in which only the archive is left."""
    job.archive.unlink(missing_ok=True)
    total = Cost()
    with tempfile.TemporaryDirectory(dir=job.archive.parent) as folder:
        for command in tool(job):
            total.add(measured(command, Path(folder)))
    return total
