"""The measured cases: jobs, the other programs' commands for the same archive, and the target ratios."""

from dataclasses import dataclass, replace
from typing import Any

from sidebyside.commands import Tool, ffmpeg, ffmpeg_each, ffmpeg_each_at_once, framelift, script
from sidebyside.footage import Video


@dataclass(frozen=True)
class Peer:
    """Another program's commands, and the target ratio."""

    name: str
    tool: Tool
    aim: float | None = None


@dataclass(frozen=True)
class Case:
    """One job on one file."""

    name: str
    video: str
    ours: Tool
    peers: tuple[Peer, ...] = ()
    format: str = "jpeg"
    # Whether the programs must extract the same pictures, so that their images can be compared.
    same_pictures: bool = True
    # Whether they must extract as many pictures, so that the archives' bytes can be compared.
    same_number: bool = True
    # ffmpeg's `-skip_frame` of the least decoding that the job needs, where all cores must help.
    least_decoding: str | None = None
    # Maximum share of the file that may be read.
    read_aim: float | None = None
    # Maximum of bytes of memory.
    memory_aim: int | None = None


HD_MEMORY = 250_000_000
UHD_MEMORY = 600_000_000


def every(period: float) -> str:
    """ffmpeg's filter for the picture on screen at 0, `period`, 2·`period`, …"""
    return f"fps=1/{period:g}:round=up"


# ffmpeg writes a BT.709 video's samples into a JPEG as they are, where viewers expect BT.601.
BT601 = "scale=in_color_matrix=bt709:out_color_matrix=bt601:out_range=full:flags=accurate_rnd,format=yuvj420p"


def times(period: float, duration: float) -> list[float]:
    return [index * period for index in range(int((duration - 1e-9) / period) + 1)]


def cases(videos: dict[str, Video], quick: bool, torchcodec: bool) -> list[Case]:
    """All cases. `quick` ones fit videos of a few seconds; torchcodec takes part where it is installed."""
    sparse = 2 if quick else 10
    found = [*dense(videos), *far_apart(videos, sparse), *other_formats(videos, sparse),
             *long_video(videos["h264-2h"], quick)]
    if torchcodec:
        return found
    return [replace(case, peers=tuple(peer for peer in case.peers if "torchcodec" not in peer.name))
            for case in found]


def every_second(video: str, aim: float | None, **more: Any) -> Case:
    dense = ("--every", "1")
    return Case(
        f"every 1 s, JPEG, {video}", video, framelift("--every", "1s"),
        (
            Peer("ffmpeg + zip", ffmpeg("-vf", every(1)), aim),
            Peer("ffmpeg, JPEG's colours, + zip", ffmpeg("-vf", f"{every(1)},{BT601}")),
            Peer("PyAV, Pillow", script("pyav.py", *dense)),
            Peer("PyAV, simplejpeg", script("pyav.py", *dense, "--encoder", "simplejpeg")),
            Peer("OpenCV", script("opencv.py", *dense)),
            Peer("torchcodec, simplejpeg", script("torch_codec.py", *dense)),
            Peer("framelift, default quality", framelift("--every", "1s", default_quality=True)),
        ),
        **more,
    )


def dense(videos: dict[str, Video]) -> list[Case]:
    passthrough = ("-fps_mode", "passthrough")
    return [
        every_second("h264-1080p", 2.5, least_decoding="noref", memory_aim=HD_MEMORY),
        every_second("h264-1080p-2s", None, memory_aim=HD_MEMORY),
        every_second("hevc-1080p", 2.0, memory_aim=HD_MEMORY),
        every_second("av1-1080p", 2.0, memory_aim=HD_MEMORY),
        every_second("h264-4k", 2.0, memory_aim=UHD_MEMORY),
        Case(
            "every frame, JPEG, h264-1080p", "h264-1080p", framelift("--all"),
            (
                Peer("ffmpeg + zip", ffmpeg(*passthrough), 1.8),
                Peer("ffmpeg, JPEG's colours, + zip", ffmpeg("-vf", BT601, *passthrough)),
                Peer("PyAV, Pillow", script("pyav.py", "--all")),
                Peer("PyAV, simplejpeg", script("pyav.py", "--all", "--encoder", "simplejpeg")),
                Peer("OpenCV", script("opencv.py", "--all")),
                Peer("torchcodec, simplejpeg", script("torch_codec.py", "--all")),
            ),
            least_decoding="default", memory_aim=HD_MEMORY,
        ),
        Case(
            "keyframes, JPEG, h264-1080p-2s", "h264-1080p-2s", framelift("--keyframes"),
            (
                Peer("ffmpeg -skip_frame nokey + zip", ffmpeg(*passthrough, before=("-skip_frame", "nokey")), 2.0),
                Peer("PyAV, skip_frame, Pillow", script("pyav.py", "--keyframes")),
            ),
            memory_aim=HD_MEMORY,
        ),
        Case(
            "scenes, JPEG, h264-1080p", "h264-1080p", framelift("--scenes", "0.3"),
            (Peer("ffmpeg select=gt(scene,0.3) + zip", ffmpeg("-vf", r"select=gt(scene\,0.3)", *passthrough)),),
            same_pictures=False, same_number=False, memory_aim=HD_MEMORY,
        ),
    ]


def far_apart(videos: dict[str, Video], period: int) -> list[Case]:
    def case(video: str, aims: tuple[float | None, float | None]) -> Case:
        at = times(period, videos[video].duration)
        jumping = ("--every", str(period), "--seek")
        return Case(
            f"every {period} s, JPEG, {video}", video, framelift("--every", f"{period}s"),
            (
                Peer("ffmpeg + zip", ffmpeg("-vf", every(period)), aims[0]),
                Peer("ffmpeg -ss for each + zip", ffmpeg_each(at), aims[1]),
                Peer("ffmpeg -ss for each, one a core, + zip", ffmpeg_each_at_once(at)),
                Peer("PyAV, seek, Pillow", script("pyav.py", *jumping)),
                Peer("OpenCV, POS_MSEC", script("opencv.py", *jumping)),
                Peer("torchcodec, simplejpeg", script("torch_codec.py", *jumping)),
            ),
            memory_aim=HD_MEMORY,
        )

    at = times(period, videos["h264-1080p"].duration)
    return [
        case("h264-1080p", (6.0, 1.3)),
        case("h264-1080p-2s", (None, None)),
        case("hevc-1080p", (None, None)),
        Case(
            f"every {period} s, tolerance 2 s, JPEG, h264-1080p", "h264-1080p",
            framelift("--every", f"{period}s", "--tolerance", "2s"),
            (
                Peer("ffmpeg + zip", ffmpeg("-vf", every(period)), 15.0),
                Peer("ffmpeg -noaccurate_seek -ss for each + zip", ffmpeg_each(at, "-noaccurate_seek")),
            ),
            same_pictures=False, memory_aim=HD_MEMORY,
        ),
    ]


def other_formats(videos: dict[str, Video], period: int) -> list[Case]:
    every_1 = ("--every", "1")
    at = times(period * 2, videos["h264-1080p"].duration)
    few = ("--every", str(period * 2))
    return [
        Case(
            "every 1 s, PNG, h264-1080p", "h264-1080p", framelift("--every", "1s"),
            (
                Peer("ffmpeg + zip", ffmpeg("-vf", every(1)), 3.0),
                Peer("ffmpeg -compression_level 1 + zip", ffmpeg("-vf", every(1), "-compression_level", "1")),
                Peer("PyAV, Pillow level 1", script("pyav.py", *every_1)),
                Peer("OpenCV level 1", script("opencv.py", *every_1)),
            ),
            format="png", memory_aim=HD_MEMORY,
        ),
        Case(
            "every 1 s, WebP, h264-1080p", "h264-1080p", framelift("--every", "1s"),
            (
                Peer("ffmpeg libwebp + zip", ffmpeg("-vf", every(1))),
                Peer("PyAV, Pillow", script("pyav.py", *every_1)),
                Peer("OpenCV", script("opencv.py", *every_1)),
            ),
            format="webp", memory_aim=HD_MEMORY,
        ),
        Case(
            f"every {period * 2} s, AVIF, h264-1080p", "h264-1080p", framelift("--every", f"{period * 2}s"),
            (
                Peer("ffmpeg -ss for each, libaom + zip", ffmpeg_each(at)),
                Peer("PyAV, seek, Pillow", script("pyav.py", *few, "--seek")),
                Peer("OpenCV, POS_MSEC", script("opencv.py", *few, "--seek")),
            ),
            format="avif", memory_aim=HD_MEMORY,
        ),
    ]


def long_video(video: Video, quick: bool) -> list[Case]:
    count, most = (5, 100) if quick else (100, 100_000)
    period = video.duration / count
    at = [(index + 0.5) * period for index in range(count)]
    jumping = ("--count", str(count), "--seek")
    whole = ffmpeg("-vf", every(period), "-frames:v", str(count), before=("-ss", f"{period / 2:g}"))
    return [
        Case(
            f"{count} frames evenly, JPEG, {video.name}", video.name, framelift("--count", str(count)),
            (
                Peer("ffmpeg + zip", whole, 25.0),
                Peer("ffmpeg -ss for each + zip", ffmpeg_each(at)),
                Peer("ffmpeg -ss for each, one a core, + zip", ffmpeg_each_at_once(at)),
                Peer("PyAV, seek, Pillow", script("pyav.py", *jumping)),
                Peer("OpenCV, POS_MSEC", script("opencv.py", *jumping)),
                Peer("torchcodec, simplejpeg", script("torch_codec.py", *jumping)),
            ),
            read_aim=0.05, memory_aim=HD_MEMORY,
        ),
        # Memory alone: it must not grow with the number of frames.
        *(Case(f"{number:,} frames evenly, 64 pixels wide, {video.name}", video.name,
               framelift("--count", str(number), "--width", "64"), memory_aim=HD_MEMORY)
          for number in (10, most)),
    ]
