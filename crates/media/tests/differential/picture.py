"""What a stored picture looks like: its samples to RGB by the formulas of ITU-T H.273 in floating
point, with the sizes and directions that its metadata ask for."""

import hashlib
import re
import struct

import numpy
from av.sidedata.sidedata import Type

# The weights of red and blue in luma (ITU-T H.273, table 4).
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
FULL = 2  # AVCOL_RANGE_JPEG
# Codecs whose chroma lies in the middle of its pixels; in the others it lies on the left ones.
CENTRED = {"mpeg1video", "mjpeg", "h263", "flv1", "theora"}
YUV = re.compile(r"yuv(j|a)?(\d)(\d)(\d)p(\d+)?(le)?$")
GRAY = re.compile(r"gray(\d+)?(le)?$")
PACKED = {"rgb24": (3, [0, 1, 2]), "bgr24": (3, [2, 1, 0]), "bgr0": (4, [2, 1, 0]), "bgra": (4, [2, 1, 0])}
PLANAR = re.compile(r"gbrp(\d+)?(le)?$")


class Stored:
    """A decoded picture, its planes copied."""

    def __init__(self, frame, stream):
        # Red, green and blue in other wrappings.
        if frame.format.name in ("pal8", "rgb555le"):
            frame = frame.reformat(format="rgb24")
        self.format = frame.format.name
        self.width, self.height = frame.width, frame.height
        self.matrix = int(frame.colorspace)
        self.full = int(frame.color_range) == FULL or self.format.startswith("yuvj")
        self.centred = stream.codec_context.name in CENTRED
        # HEVC marks pictures of one field each as well.
        self.fields = bool(frame.interlaced_frame) and stream.codec_context.name != "hevc"
        # The container's word on the pixels' shape comes before the codec's.
        self.shape = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1
        turned = frame.side_data.get(Type.DISPLAYMATRIX)
        self.turn = struct.unpack("9i", bytes(turned)) if turned else (1, 0, 0, 0, 1, 0, 0, 0, 1)
        self.read(frame)

    def read(self, frame):
        yuv, gray, planar = YUV.match(self.format), GRAY.match(self.format), PLANAR.match(self.format)
        size = (self.width, self.height)
        if yuv:
            chroma, rows = int(yuv[3]), yuv[4] == "0"
            across = {4: 1, 2: 2, 1: 4}[chroma]
            half = (-(-self.width // across), -(-self.height // (2 if rows else 1)))
            sizes, self.bits = [size, half, half], int(yuv[5] or 8)
        elif gray:
            sizes, self.bits = [size], int(gray[1] or 8)
        elif planar:
            sizes, self.bits = [size] * 3, int(planar[1] or 8)
        elif self.format in PACKED:
            across, _ = PACKED[self.format]
            sizes, self.bits = [(self.width * across, self.height)], 8
        else:
            raise ValueError(f"pictures of the format {self.format} are not read here")
        self.planes = [copied(frame.planes[i], size, self.bits) for i, size in enumerate(sizes)]

    def hash(self):
        digest = hashlib.sha256()
        for plane in self.planes:
            digest.update(plane.tobytes())
        return digest.hexdigest()

    def number(self):
        """The number that the corpus writes into the top of a picture: eight columns, light for
        a 1 and dark for a 0; none where it cannot be read."""
        if self.format in PACKED:
            across, _ = PACKED[self.format]
            luma = self.planes[0][:, 1::across]
        else:
            luma = self.planes[0]
        number = 0
        for column in range(8):
            level = luma[self.height // 8, (2 * column + 1) * self.width // 16] / (1 << self.bits)
            if 0.4 < level < 0.6:
                return None
            number = number * 2 + int(level > 0.5)
        return number

    def components(self):
        """Red, green and blue from 0 to 1, as stored."""
        if self.format in PACKED:
            across, places = PACKED[self.format]
            samples = self.planes[0].reshape(self.height, self.width, across)
            return [samples[:, :, place] / 255 for place in places]
        most = (1 << self.bits) - 1
        if PLANAR.match(self.format):
            green, blue, red = self.planes
            return [red / most, green / most, blue / most]
        step = 1 << (self.bits - 8)
        low, span, chroma_span = (0, most, most) if self.full else (16 * step, 219 * step, 224 * step)
        luma = (self.planes[0] - float(low)) / span
        if len(self.planes) == 1:
            return [luma] * 3
        size = (self.width, self.height)
        blue, red = [(plane - 128.0 * step) / chroma_span for plane in self.planes[1:]]
        if self.fields and blue.shape[0] != self.height:
            blue, red = by_fields(blue, self.height), by_fields(red, self.height)
        blue, red = [resampled(plane, size, left=not self.centred) for plane in (blue, red)]
        kr, kb = WEIGHTS.get(self.matrix) or WEIGHTS[1 if self.height >= 720 else 6]
        r = luma + 2 * (1 - kr) * red
        b = luma + 2 * (1 - kb) * blue
        return [r, (luma - kr * r - kb * b) / (1 - kr - kb), b]

    def size(self):
        """Across and down, as shown."""
        across = int(self.width * self.shape + 0.5) if self.shape > 0 else self.width
        turned = abs(self.turn[0]) < abs(self.turn[1])
        return [self.height, across] if turned else [across, self.height]

    def rgb(self):
        """As shown: pixels made square, then turned."""
        turned = abs(self.turn[0]) < abs(self.turn[1])
        across = self.size()[1] if turned else self.size()[0]
        planes = [numpy.clip(plane, 0, 1) for plane in self.components()]
        if across != self.width:
            planes = [resampled(plane, (across, self.height), left=False) for plane in planes]
        image = numpy.rint(numpy.clip(numpy.stack(planes, axis=-1), 0, 1) * 255)
        # x' = a·x + c·y and y' = b·x + d·y (ISO/IEC 14496-12, 6.2.2), by right angles.
        a, b, _, c, d = self.turn[:5]
        if turned:
            image, (a, d) = image.transpose(1, 0, 2), (c, b)
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def copied(plane, size, bits):
    kind, bytes_each = (numpy.uint8, 1) if bits <= 8 else (numpy.dtype("<u2"), 2)
    rows = numpy.frombuffer(plane, numpy.uint8).reshape(plane.height, plane.line_size)
    rows = numpy.ascontiguousarray(rows[: size[1], : size[0] * bytes_each])
    return rows.view(kind)


def by_fields(plane, height):
    """A plane of half the lines of an interlaced picture, with a line of the same field for each:
    samples lie a quarter below a line of the first field, and three quarters below one of the
    second (ISO/IEC 13818-2, 6.1.1.8)."""
    lines = numpy.empty((height, plane.shape[1]))
    for parity, below in ((0, 0.25), (1, 0.75)):
        field, wanted = plane[parity::2], numpy.arange((height - parity + 1) // 2)
        at = numpy.clip((wanted - below) / 2, 0, len(field) - 1)
        first = numpy.minimum(at.astype(int), max(len(field) - 2, 0))
        second, share = numpy.minimum(first + 1, len(field) - 1), (at - first)[:, None]
        lines[parity::2] = field[first] * (1 - share) + field[second] * share
    return lines


def resampled(plane, size, left):
    """A plane at another size, by cubic interpolation."""
    width, height = size
    if plane.shape[1] != width:
        plane = plane @ weights(plane.shape[1], width, left).T
    if plane.shape[0] != height:
        plane = weights(plane.shape[0], height, False) @ plane
    return plane


def weights(samples, wanted, left, known={}):
    key = (samples, wanted, left)
    if key not in known:
        ratio = samples / wanted
        wide = max(1, ratio)  # A smaller picture is made of all samples of the larger one.
        matrix = numpy.zeros((wanted, samples))
        for i in range(wanted):
            middle = i * ratio if left else (i + 0.5) * ratio - 0.5
            for j in range(int(middle - 2 * wide) - 1, int(middle + 2 * wide) + 2):
                matrix[i, min(max(j, 0), samples - 1)] += cubic(abs(middle - j) / wide)
        known[key] = matrix / matrix.sum(axis=1, keepdims=True)
    return known[key]


def cubic(x, a=-0.5):
    """Keys, 1981."""
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * (x**3 - 5 * x**2 + 8 * x - 4)
    return 0.0
