#!/usr/bin/env python3
"""framelift against ffmpeg + zip, PyAV, OpenCV and torchcodec, on the same files, in turns, in one run.

    cargo xtask bench side-by-side [--rounds N] [--only NAME] [--quick] [--torchcodec]

builds framelift, installs the peers and runs this. The videos are made once (some minutes). The
results go to docs/benchmarks.md; those of a part (--only) or of tiny videos (--quick) to the
terminal alone, unless --report names a file.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from sidebyside import footage, match, measure, report
from sidebyside.cases import cases
from sidebyside.run import Failed, checked, need
from sidebyside.tools import Tools

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
LIBRARIES = {"PyAV": "av", "OpenCV": "opencv-python-headless", "Pillow": "pillow", "simplejpeg": "simplejpeg"}
TORCHCODEC = {"torchcodec": "torchcodec", "PyTorch": "torch"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="measured rounds (default: 5, 1 with --quick)")
    parser.add_argument("--only", metavar="NAME", action="append",
                        help="jobs whose name contains this; may be given again")
    parser.add_argument("--quick", action="store_true",
                        help="tiny videos, to try the scripts; the figures mean nothing")
    parser.add_argument("--torchcodec", action="store_true",
                        help="torchcodec takes part, too: `xtask` then installs it, gigabytes with PyTorch")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where to write the table")
    parser.add_argument("--framelift", default=str(TARGET / "release/framelift"), metavar="PROGRAM")
    parser.add_argument("--python", default=str(TARGET / "tools/bench/bin/python"), metavar="PROGRAM",
                        help="one that has the peers' libraries")
    parser.add_argument("--files", type=Path, metavar="FOLDER", default=TARGET / "bench", help="where the videos are")
    given = parser.parse_args()
    if given.rounds is None:
        given.rounds = 1 if given.quick else 5
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    if given.report is None and not given.quick and given.only is None:
        given.report = ROOT / "docs/benchmarks.md"
    return given


def check_programs(given: argparse.Namespace) -> None:
    need(given.framelift, "`cargo xtask bench` builds it")
    need(given.python, "`cargo xtask bench` installs it and the peers' libraries")
    for program in ["ffmpeg", "ffprobe", "zip", "xargs"]:
        need(program, "the side-by-side runs compare with it")


def setting(given: argparse.Namespace, cores: int) -> report.Setting:
    used = {**LIBRARIES, **(TORCHCODEC if given.torchcodec else {})}
    names = repr(list(used.values()))
    script = f"from importlib.metadata import version\nfor name in {names}: print(version(name))"
    libraries = checked([given.python, "-c", script]).split()
    versions = {
        "framelift": checked([given.framelift, "--version"]).split()[-1],
        "ffmpeg": checked(["ffmpeg", "-version"]).split()[2],
        "zip": next(line for line in checked(["zip", "-v"]).splitlines() if "This is Zip" in line).split()[3],
        **dict(zip(used, libraries)),
    }
    return report.Setting(processor(), cores, versions, given.rounds)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def matched(video: footage.Video, path: Path, image_format: str, tools: Tools) -> int:
    with tempfile.TemporaryDirectory(dir=tools.folder) as scratch:
        try:
            return match.quality(path, video.duration, image_format, tools, Path(scratch))
        except Failed:
            return match.DEFAULT  # The case will say what is wrong.


def main() -> None:
    given = arguments()
    check_programs(given)
    videos = footage.videos(given.quick)
    chosen = [case for case in cases(videos, given.quick, given.torchcodec)
              if given.only is None or any(name in case.name for name in given.only)]
    if not chosen:
        sys.exit(f"no job's name contains {given.only!r}")
    folder = given.files.resolve() / ("quick" if given.quick else "side-by-side")
    cores = len(os.sched_getaffinity(0))
    paths = {name: footage.make(videos[name], ROOT / "e2e/media", folder)
             for name in dict.fromkeys(case.video for case in chosen)}
    tools = Tools(str(Path(given.framelift).resolve()), os.path.abspath(given.python), folder, cores)
    run_setting = setting(given, cores)
    results, qualities = [], {}
    for case in chosen:
        video, key = videos[case.video], (case.video, case.format)
        if case.peers and key not in qualities:
            qualities[key] = matched(video, paths[case.video], case.format, tools)
        quality = qualities.get(key, match.DEFAULT)
        results.append(measure.run(case, paths[case.video], quality, tools, given.rounds))
        print(report.terminal(results[-1]), flush=True)
        # After each: a run that is broken off leaves what it has.
        if given.report:
            sizes = {name: path.stat().st_size for name, path in paths.items()}
            report.write(given.report, report.document(results, videos, sizes, run_setting))
    if given.report:
        print(f"wrote {given.report}")


if __name__ == "__main__":
    main()
