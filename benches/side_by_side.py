#!/usr/bin/env python3
"""framelift against ffmpeg + zip, on the same file, in turns, in one run.

    cargo build --release -p framelift-cli
    benches/side_by_side.py [--rounds 5] [--video FILE] [--json]

Without --video a 60 s, 1920x1080, 30/s H.264 file is made once under target/bench. Prints the
medians of the wall times and their ratio: above 1 means that framelift is faster. Frames per
second count the frames of the video, not the images.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FFMPEG = ["ffmpeg", "-v", "error", "-nostdin", "-y"]


def make_video(folder):
    path = folder / "1080p-60s.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "part.mp4"
        # Moving shapes with a little grain: about 6 Mbit/s, as a camera's file has.
        source = "testsrc2=size=1920x1080:rate=30:duration=60,noise=alls=6:allf=t,format=yuv420p"
        encoder = ["-c:v", "libx264", "-preset", "medium", "-crf", "24"]
        subprocess.run([*FFMPEG, "-f", "lavfi", "-i", source, *encoder, str(part)], check=True)
        part.rename(path)
    return path


def frames_of(video):
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets"]
    command += ["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", str(video)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().strip(","))


def cases():
    """Name, framelift's arguments, ffmpeg's arguments before the input, and after it."""
    return [
        ("every 1 s, JPEG", ["--every", "1s"], [], ["-vf", "fps=1", "-q:v", "2", "%06d.jpg"]),
        ("every frame, JPEG", ["--all"], [], ["-fps_mode", "passthrough", "-q:v", "2", "%06d.jpg"]),
        ("every 1 s, PNG", ["--every", "1s", "--format", "png"], [], ["-vf", "fps=1", "%06d.png"]),
        ("keyframes, JPEG", ["--keyframes"], ["-skip_frame", "nokey"],
         ["-fps_mode", "passthrough", "-q:v", "2", "%06d.jpg"]),
    ]


def ours(framelift, video, arguments, folder):
    archive = folder / "ours.zip"
    command = [framelift, "extract", str(video), "-o", str(archive), "--force", "--quiet", *arguments]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, archive.stat().st_size


def theirs(video, before, after, folder):
    images = folder / "images"
    images.mkdir()
    archive = folder / "theirs.zip"
    start = time.perf_counter()
    subprocess.run([*FFMPEG, *before, "-i", str(video), *after], check=True, cwd=images)
    subprocess.run(["zip", "-q", "-0", "-r", str(archive), "."], check=True, cwd=images)
    elapsed = time.perf_counter() - start
    size = archive.stat().st_size
    shutil.rmtree(images)
    archive.unlink()
    return elapsed, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--framelift", default=str(ROOT / "target/release/framelift"))
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for program in [arguments.framelift, "ffmpeg", "ffprobe", "zip"]:
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing")
    video = (arguments.video or make_video(ROOT / "target/bench")).resolve()
    frames = frames_of(video)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, our_arguments, before, after in cases():
            if arguments.only and arguments.only not in name:
                continue
            our_times, their_times = [], []
            for _ in range(arguments.rounds):
                elapsed, our_size = ours(arguments.framelift, video, our_arguments, folder)
                our_times.append(elapsed)
                elapsed, their_size = theirs(video, before, after, folder)
                their_times.append(elapsed)
            our_median, their_median = statistics.median(our_times), statistics.median(their_times)
            results.append({
                "case": name,
                "framelift_s": round(our_median, 3),
                "ffmpeg_zip_s": round(their_median, 3),
                "framelift_frames_per_s": round(frames / our_median, 1),
                "ffmpeg_zip_frames_per_s": round(frames / their_median, 1),
                "framelift_bytes": our_size,
                "ffmpeg_zip_bytes": their_size,
                "ratio": round(their_median / our_median, 2),
            })
            if not arguments.json:
                print("{case:20} framelift {framelift_s:8.3f} s ({framelift_frames_per_s} frames/s, "
                      "{framelift_bytes} bytes)  ffmpeg + zip {ffmpeg_zip_s:8.3f} s ({ffmpeg_zip_frames_per_s} "
                      "frames/s, {ffmpeg_zip_bytes} bytes)  ratio {ratio}".format(**results[-1]), flush=True)
    if arguments.json:
        print(json.dumps({"video": video.name, "frames": frames, "cores": os.cpu_count(),
                          "rounds": arguments.rounds, "cases": results}, indent=2))


if __name__ == "__main__":
    main()
