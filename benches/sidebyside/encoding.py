"""CPU seconds that libjpeg-turbo needs for an image from YUV, on one thread (a helper of `measure`)."""

import io
import json
import statistics
import sys
import time
import zipfile

import numpy
import simplejpeg
from PIL import Image

SAMPLES = 12


def main() -> None:
    task = json.load(sys.stdin)
    with zipfile.ZipFile(task["archive"]) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        chosen = names[:: -(-len(names) // SAMPLES)]
        spent = [encode(archive.read(name), task["quality"]) for name in chosen]
    json.dump({"cpu_seconds_per_image": statistics.mean(spent)}, sys.stdout)


def encode(image: bytes, quality: int) -> float:
    """The least of three encodings of a picture that comes from an image."""
    picture = Image.open(io.BytesIO(image))
    picture.draft("YCbCr", None)
    luma, blue, red = (numpy.ascontiguousarray(plane) for plane in numpy.moveaxis(numpy.asarray(picture), 2, 0))
    blue, red = (numpy.ascontiguousarray(plane[::2, ::2]) for plane in (blue, red))
    times = []
    for _ in range(3):
        start = time.process_time()
        simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality)
        times.append(time.process_time() - start)
    return min(times)


main()
