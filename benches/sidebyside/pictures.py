"""Compares images of several archives with a reference decode (a helper of `measure`).

The reference is PyAV's full decode from the start: for each asked time the last picture at or
before it. Colours: the file's own matrix and range in floating point, chroma interpolated linearly.

*Luma* is compared in the matrix that suits the image best, BT.601 as JPEG and WebP say or the
file's own: it measures the encoding and forgives a wrong matrix. *RGB* is what a viewer sees.
"""

import io
import json
import math
import sys
import zipfile
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy
from PIL import Image

SAMPLES = 6
# The reference decodes this many pixels at most.
MAX_PIXELS = 2_000_000_000
BT601 = numpy.array([0.299, 0.587, 0.114])
BT709 = numpy.array([0.2126, 0.7152, 0.0722])
IMAGES = (".jpg", ".png", ".webp", ".avif")


@dataclass
class Reference:
    """One picture in full range: luma as in the file, luma as JPEG has it, and RGB."""

    stored_luma: numpy.ndarray
    luma: numpy.ndarray
    rgb: numpy.ndarray


def main() -> None:
    task = json.load(sys.stdin)
    archives = {name: zipfile.ZipFile(path) for name, path in task["archives"].items()}
    members = {name: sorted(member for member in archive.namelist() if member.endswith(IMAGES))
               for name, archive in archives.items()}
    found = {name: {"images": len(names)} for name, names in members.items()}
    if task["compare"]:
        common = min(map(len, members.values()))
        references = decode(task["video"], times(archives["framelift"])[:common])
        for name, archive in archives.items():
            compared = [compare(archive.read(members[name][index]), reference)
                        for index, reference in references.items()]
            found[name] |= summary(compared)
    json.dump(found, sys.stdout)


def times(archive: zipfile.ZipFile) -> list[Fraction]:
    """The requested times in seconds from the first picture, or the pictures' times if none were requested."""
    frames = json.loads(archive.read("manifest.json"))["frames"]
    return [Fraction(frame.get("requested") or frame["time"]) for frame in frames]


def decode(video: str, wanted: list[Fraction]) -> dict[int, Reference]:
    """References of some of the wanted times, by their place in the list."""
    with av.open(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        seconds = MAX_PIXELS / (stream.width * stream.height) / float(stream.average_rate)
        near = [index for index, time in enumerate(wanted) if time <= seconds] or [0]
        chosen = sorted({near[step * (len(near) - 1) // max(SAMPLES - 1, 1)] for step in range(SAMPLES)})
        references: dict[int, Reference] = {}
        first = shown = None
        for frame in container.decode(stream):
            first = frame.pts if first is None else first
            time = (frame.pts - first) * stream.time_base
            while chosen and time > wanted[chosen[0]] and shown is not None:
                references[chosen.pop(0)] = reference(shown)
            if not chosen:
                break
            shown = frame
        references |= {index: reference(shown) for index in chosen}
    return references


def reference(frame: av.VideoFrame) -> Reference:
    """From limited-range 4:2:0 in BT.709, which all of the measured files have."""
    whole = frame.to_ndarray(format="yuv420p").astype(numpy.float32)
    height, width = frame.height, frame.width
    luma = (whole[:height] - 16) / 219
    chroma = (whole[height:].reshape(2, height // 2, width // 2) - 128) / 224
    blue, red = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in chroma)
    r = luma + red * 2 * (1 - BT709[0])
    b = luma + blue * 2 * (1 - BT709[2])
    g = (luma - BT709[0] * r - BT709[2] * b) / BT709[1]
    rgb = numpy.stack([r, g, b], axis=2) * 255
    return Reference(luma * 255, rgb @ BT601, rgb.clip(0, 255))


def compare(image: bytes, reference: Reference) -> dict[str, float]:
    picture = Image.open(io.BytesIO(image))
    rgb = numpy.asarray(picture.convert("RGB"), numpy.float32)
    stored = Image.open(io.BytesIO(image))
    if stored.format == "JPEG":
        stored.draft("YCbCr", None)
        luma = numpy.asarray(stored, numpy.float32)[:, :, 0]
    else:
        luma = rgb @ BT601
    best = min((reference.luma, reference.stored_luma), key=lambda truth: squared_error(luma, truth))
    return {
        "luma": squared_error(luma, best),
        "rgb": squared_error(rgb, reference.rgb),
        "ssim": ssim(luma, best),
    }


def summary(compared: list[dict[str, float]]) -> dict[str, float]:
    def mean(name: str) -> float:
        return sum(one[name] for one in compared) / len(compared)
    return {"psnr_luma": psnr(mean("luma")), "ssim_luma": mean("ssim"), "psnr_rgb": psnr(mean("rgb"))}


def squared_error(one: numpy.ndarray, other: numpy.ndarray) -> float:
    return float(numpy.mean((one - other) ** 2))


def psnr(error: float) -> float:
    return 10 * math.log10(255**2 / max(error, 1e-6))


def ssim(one: numpy.ndarray, other: numpy.ndarray) -> float:
    """Wang et al. 2004: a Gaussian window of 11 by 11 with a deviation of 1.5."""
    def blur(plane: numpy.ndarray) -> numpy.ndarray:
        return cv2.GaussianBlur(plane, (11, 11), 1.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_one, mean_other = blur(one), blur(other)
    spread_one = blur(one * one) - mean_one**2
    spread_other = blur(other * other) - mean_other**2
    together = blur(one * other) - mean_one * mean_other
    likeness = ((2 * mean_one * mean_other + c1) * (2 * together + c2)) / (
        (mean_one**2 + mean_other**2 + c1) * (spread_one + spread_other + c2))
    return float(likeness.mean())


main()
