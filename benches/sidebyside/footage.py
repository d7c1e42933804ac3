"""The videos that are measured: real footage from e2e/media, made once under the target folder.

A small picture becomes a large one by mirroring it until it is large enough, never by enlarging
it: the detail stays what a camera saw. A window of the wanted size pans over that picture, shots
follow each other with cuts, a little grain is added, and there is sound.
"""

from dataclasses import dataclass
from pathlib import Path

from sidebyside.run import checked

FFMPEG = ["ffmpeg", "-v", "error", "-nostdin", "-y"]

X264 = ["-c:v", "libx264"]
AV1 = ["-c:v", "libsvtav1", "-preset", "9", "-g", "250", "-pix_fmt", "yuv420p"]
X265 = ["-c:v", "libx265", "-preset", "veryfast", "-x265-params", "log-level=error", "-tag:v", "hvc1"]


@dataclass(frozen=True)
class Shot:
    """A piece of a sample; `mirrored` makes two shots of one sample differ."""

    sample: str
    start: float
    seconds: float
    size: tuple[int, int]
    mirrored: bool = False


BUNNY = ("big-buck-bunny-5s.mp4", (1280, 720))
CARS = ("cars-30s.mp4", (768, 432))

# Half a minute; longer videos repeat it.
SHOTS = [
    Shot(BUNNY[0], 0, 5, BUNNY[1]),
    Shot(CARS[0], 0, 7, CARS[1]),
    Shot(BUNNY[0], 0, 5, BUNNY[1], mirrored=True),
    Shot(CARS[0], 12, 9, CARS[1], mirrored=True),
    Shot(BUNNY[0], 2.5, 2.5, BUNNY[1]),
    Shot(CARS[0], 24, 1.5, CARS[1]),
]


@dataclass(frozen=True)
class Video:
    """One file: what it shows, and how it is encoded."""

    name: str
    what: str
    size: tuple[int, int]
    seconds: float
    encoder: tuple[str, ...]
    # How often the encoded piece stands in the file.
    times: int = 1
    rate: int = 30

    @property
    def duration(self) -> float:
        return self.seconds * self.times

    @property
    def frames(self) -> int:
        return round(self.duration * self.rate)


def videos(quick: bool) -> dict[str, Video]:
    """The files by name. `quick` ones are tiny, for trying the scripts."""
    hd, uhd, small = ((320, 180), (480, 270), (160, 90)) if quick else ((1920, 1080), (3840, 2160), (640, 360))
    long, short = (4, 2) if quick else (60, 20)
    rate = ["-b:v", "300k"] if quick else ["-b:v", "7M", "-maxrate", "10M", "-bufsize", "14M"]
    piece, times = (4, 3) if quick else (240, 30)
    every_4_s = ["-g", "120", "-keyint_min", "120", "-sc_threshold", "0"]
    made = [
        Video("h264-1080p", "H.264, x264 medium, key pictures at cuts and every 250 at the latest",
              hd, long, (*X264, "-preset", "medium", *rate)),
        Video("h264-1080p-2s", "H.264, x264 veryfast, a key picture every 2 s",
              hd, long / 2, (*X264, "-preset", "veryfast", *rate, "-g", "60", "-keyint_min", "60")),
        Video("hevc-1080p", "HEVC, x265 veryfast, key pictures every 250 at the latest",
              hd, long, (*X265, *(["-b:v", "250k"] if quick else ["-b:v", "5M"]))),
        Video("av1-1080p", "AV1, SVT-AV1 preset 9, key pictures every 250 at the latest",
              hd, long, (*AV1, *(["-b:v", "250k"] if quick else ["-b:v", "4M"]))),
        Video("h264-4k", "H.264, x264 veryfast, key pictures at cuts and every 250 at the latest",
              uhd, short, (*X264, "-preset", "veryfast", *(["-b:v", "500k"] if quick else ["-b:v", "30M"]))),
        Video("h264-2h", "H.264, x264 veryfast, a key picture every 4 s, fast start",
              small, piece, (*X264, "-preset", "veryfast", "-b:v", "500k", *every_4_s), times),
    ]
    return {video.name: video for video in made}


def make(video: Video, media: Path, folder: Path) -> Path:
    """The file of `video`, made if it is not there."""
    path = folder / f"{video.name}.mp4"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    print(f"making {path.name}: {video.what}", flush=True)
    part, whole = folder / f"{video.name}.part.mp4", folder / f"{video.name}.whole.mp4"
    try:
        checked(encode_command(video, media, part))
        if video.times == 1:
            part.rename(path)
        else:
            loop = ["-stream_loop", str(video.times - 1), "-i", str(part), "-c", "copy"]
            checked([*FFMPEG, *loop, "-movflags", "+faststart", str(whole)])
            check_timestamps(whole, video)
            whole.rename(path)
    finally:
        part.unlink(missing_ok=True)
        whole.unlink(missing_ok=True)
    return path


def encode_command(video: Video, media: Path, output: Path) -> list[str]:
    """One ffmpeg run from the samples to the encoded file."""
    inputs: list[str] = []
    chains: list[str] = []
    labels, seconds = "", 0.0
    while seconds < video.seconds:
        index = len(chains)
        shot = SHOTS[index % len(SHOTS)]
        length = min(shot.seconds, video.seconds - seconds)
        inputs += ["-ss", str(shot.start), "-t", str(length), "-i", str(media / shot.sample)]
        chains.append(f"[{index}:v]{chain(shot, video, length, index)}[v{index}]")
        labels += f"[v{index}]"
        seconds += length
    # A little shorter than the pictures, so that a piece that is repeated has no gap between them.
    sound = f"anoisesrc=colour=pink:amplitude=0.1:sample_rate=48000:duration={video.seconds - 0.1}"
    graph = f"{';'.join(chains)};{labels}concat=n={len(chains)}:v=1[out]"
    colours = [f"-{name}" for name in ("colorspace", "color_primaries", "color_trc")]
    return [
        *FFMPEG, *inputs, "-f", "lavfi", "-i", sound, "-filter_complex", graph,
        "-map", "[out]", "-map", f"{len(chains)}:a", "-c:a", "aac", "-b:a", "96k", *video.encoder,
        *(word for name in colours for word in (name, "bt709")),
        "-t", str(video.seconds), str(output),
    ]


def chain(shot: Shot, video: Video, seconds: float, seed: int) -> str:
    """The filters from a sample to a shot of the wanted size, rate and length."""
    width, height = video.size
    steps = ["setsar=1", f"fps={video.rate}", f"tpad=stop=-1:stop_mode=clone,trim=duration={seconds}"]
    if shot.mirrored:
        steps.append("hflip")
    across, down = shot.size
    # Room to pan: a sixth of the picture.
    while across * 6 < width * 7 or down * 6 < height * 7:
        steps.append(mirror(seed, len(steps)))
        across, down = across * 2, down * 2
    pan = f"(in_w-out_w)*(0.5+0.5*sin(t/3+{seed}))", f"(in_h-out_h)*(0.5+0.5*cos(t/4+{seed}))"
    steps.append(f"crop={width}:{height}:x='{pan[0]}':y='{pan[1]}'")
    steps.append(f"noise=alls=3:allf=t:all_seed={seed},format=yuv420p")
    return ",".join(steps)


def mirror(seed: int, step: int) -> str:
    """Twice as wide and high: the picture and its mirror images."""
    name = f"m{seed}s{step}"
    return (f"split[{name}a][{name}b];[{name}b]hflip[{name}c];[{name}a][{name}c]hstack,"
            f"split[{name}d][{name}e];[{name}e]vflip[{name}f];[{name}d][{name}f]vstack")


def check_timestamps(path: Path, video: Video) -> None:
    """A file that was put together must play as one: every picture, at its time, in order."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,dts_time",
               "-of", "csv=p=0", str(path)]
    times = [tuple(float(value) for value in line.split(",")[:2]) for line in checked(command).split()]
    decoding = [time for _, time in times]
    if any(later <= earlier for earlier, later in zip(decoding, decoding[1:])):
        raise SystemExit(f"{path.name}: decoding times do not rise")
    shown = sorted(time for time, _ in times)
    late = max(abs(time - shown[0] - index / video.rate) for index, time in enumerate(shown))
    if len(times) != video.frames or late > 0.1 / video.rate:
        found = f"{len(times)} of {video.frames} pictures"
        raise SystemExit(f"{path.name}: {found}, {late:.3f} s off their times at most")
