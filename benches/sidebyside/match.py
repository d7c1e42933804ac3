"""Finds the quality at which framelift's images have no more bytes than ffmpeg's."""

from pathlib import Path

from sidebyside.commands import Job, Tool, ffmpeg_each, framelift, run
from sidebyside.tools import Tools

# framelift's own default.
DEFAULT = 90
LOSSLESS = {"png"}
SAMPLES = 6


def quality(video: Path, duration: float, image_format: str, tools: Tools, folder: Path) -> int:
    """The highest quality at which the same few pictures take no more bytes, by halving.

    Raises `Failed` where one of the two programs cannot make such images.
    """
    if image_format in LOSSLESS:
        return DEFAULT
    at = [(index + 0.5) * duration / SAMPLES for index in range(SAMPLES)]
    ours = framelift("--at", ",".join(f"{time:.4f}s" for time in at))

    def size(tool: Tool, chosen: int) -> int:
        job = Job(video, folder / "match.zip", image_format, chosen, tools.framelift, tools.python)
        run(tool, job)
        bytes_of_archive = job.archive.stat().st_size
        job.archive.unlink()
        return bytes_of_archive

    most = size(ffmpeg_each(at), DEFAULT)
    good, too_large = 1, 101
    while too_large - good > 1:
        middle = (good + too_large) // 2
        if size(ours, middle) <= most:
            good = middle
        else:
            too_large = middle
    return good
