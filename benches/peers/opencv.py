"""The job with OpenCV: VideoCapture, which decodes with all cores, and imencode."""

from collections.abc import Iterator

import cv2
import numpy

import wanted as peer


def selected(capture: cv2.VideoCapture, wanted: peer.argparse.Namespace) -> Iterator[numpy.ndarray]:
    if wanted.keyframes:
        raise SystemExit("OpenCV cannot decode key pictures alone")
    if wanted.all:
        while (picture := capture.read())[0]:
            yield picture[1]
        return
    rate = capture.get(cv2.CAP_PROP_FPS)
    duration = capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate
    numbers = [int(time * rate + 1e-6) for time in peer.times(wanted, duration)]
    find = by_seeking if wanted.seek else in_passing
    yield from find(capture, numbers)


def in_passing(capture: cv2.VideoCapture, numbers: list[int]) -> Iterator[numpy.ndarray]:
    """`grab` decodes, `retrieve` converts: only wanted pictures are converted."""
    grabbed = -1
    for number in numbers:
        while grabbed < number:
            if not capture.grab():
                return
            grabbed += 1
        yield capture.retrieve()[1]


def by_seeking(capture: cv2.VideoCapture, numbers: list[int]) -> Iterator[numpy.ndarray]:
    rate = capture.get(cv2.CAP_PROP_FPS)
    for number in numbers:
        capture.set(cv2.CAP_PROP_POS_MSEC, number * 1000 / rate)
        found, picture = capture.read()
        if found:
            yield picture


def main() -> None:
    wanted = peer.arguments(["opencv"])
    suffix, options = {
        "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, wanted.quality]),
        "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]),
        "webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, wanted.quality]),
        "avif": (".avif", [cv2.IMWRITE_AVIF_QUALITY, wanted.quality]),
    }[wanted.format]

    def encode(picture: numpy.ndarray) -> bytes:
        return cv2.imencode(suffix, picture, options)[1].tobytes()

    peer.write(wanted, selected(cv2.VideoCapture(wanted.video), wanted), encode)


main()
