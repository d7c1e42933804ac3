"""Common code of the Python peers: their command line, the wanted times, and writing the archive."""

import argparse
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def arguments(encoders: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("video")
    parser.add_argument("archive")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--every", type=float, metavar="SECONDS")
    which.add_argument("--count", type=int, metavar="N")
    which.add_argument("--all", action="store_true")
    which.add_argument("--keyframes", action="store_true")
    parser.add_argument("--seek", action="store_true", help="jump to each frame; for frames far apart")
    parser.add_argument("--format", choices=["jpeg", "png", "webp", "avif"], default="jpeg")
    parser.add_argument("--quality", type=int, default=90)
    parser.add_argument("--encoder", choices=encoders, default=encoders[0])
    return parser.parse_args()


def times(wanted: argparse.Namespace, duration: float) -> list[float]:
    """The wanted times in seconds, from the first picture's."""
    if wanted.count:
        return [(index + 0.5) * duration / wanted.count for index in range(wanted.count)]
    found, time = [], 0.0
    while time < duration - 1e-9:
        found.append(time)
        time = len(found) * wanted.every
    return found


def write(wanted: argparse.Namespace, pictures: Iterable[T], encode: Callable[[T], bytes]) -> None:
    """Encodes on all cores while the next pictures are decoded, and stores the images in order."""
    suffix = {"jpeg": "jpg"}.get(wanted.format, wanted.format)
    with zipfile.ZipFile(wanted.archive, "w", zipfile.ZIP_STORED) as archive:
        for number, image in enumerate(encoded(pictures, encode), start=1):
            archive.writestr(f"{number:06}.{suffix}", image)


def encoded(pictures: Iterable[T], encode: Callable[[T], bytes]) -> Iterator[bytes]:
    workers = os.cpu_count() or 1
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for picture in pictures:
            waiting.append(pool.submit(encode, picture))
            if len(waiting) > workers * 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
