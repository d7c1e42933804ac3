"""What a video shows, by a full decode with PyAV, which brings another FFmpeg: one request
a line on standard input, one JSON answer a line on standard output, a picture's bytes after it.

    {"open": PATH, "cases": [OPTIONS, ...]}  the frames, and which ones each of the options means
    {"picture": INDEX}                       that frame in RGB, three bytes a pixel

Nothing of the engine is used here. The demuxer and the decoder run on one thread, with their
defaults but for these: the attached pictures are passed over as the product promises, crops are
exact, and what is known of a packet comes back on its frame. What is compared is the decoder's own
presentation timestamp, not FFmpeg's "best effort", which after one doubtful timestamp follows the
decoding order for good. Edit lists are applied by both programs in the same way.
"""

import json
import sys

import av
import numpy

import picture
import timeline

UNALIGNED = 1 << 0  # AV_CODEC_FLAG_UNALIGNED: no crop is rounded to what SIMD likes.
COPY_OPAQUE = 1 << 7  # AV_CODEC_FLAG_COPY_OPAQUE: packets' labels come back on frames.
READ_ERRORS = 16


class Frame:
    """A shown frame; its planes are copied, so that the decoder's pool can be used again."""

    def __init__(self, frame, stream):
        self.pts, self.dts = frame.pts, frame.dts
        self.ticks = frame.duration or 0
        # The end of the stream has no packet.
        self.label, self.stretch = frame.opaque or (False, 0)
        self.damaged = bool(frame.is_corrupt)
        self.picture = picture.Stored(frame, stream)


def packets(container, stream):
    """All packets, and the empty one at the end; read errors are passed over."""
    errors = 0
    while True:
        try:
            for packet in container.demux(stream):
                errors = 0
                yield packet
            return
        except av.error.FFmpegError:
            errors += 1
            if errors == READ_ERRORS:
                return


def best_stream(container):
    stills = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
    stream = container.streams.best("video")
    if stream in stills:
        others = [s for s in container.streams.video if s not in stills]
        stream = others[0]
    return stream


def mark_sync_points(frames, keys):
    """Frames are matched with packets by their presentation time; where there is none, by what
    the decoder says it made them of."""
    for frame in frames:
        frame.key = keys.get((frame.stretch, frame.pts), bool(frame.label))


# The number of bits of a timestamp is the format's.
WRAPS = {"mpegts": 1 << 33, "mpeg": 1 << 33}
# These have no presentation times that FFmpeg reads, and what it makes up for their packets may be out
# of order.
UNTIMED = ("avi", "asf", "mpegvideo", "m4v")


def decode(path):
    frames, keys = [], {}
    with av.open(path) as container:
        stream = best_stream(container)
        context = stream.codec_context
        context.thread_type = "NONE"
        context.flags |= UNALIGNED | COPY_OPAQUE
        read = list(packets(container, stream))
        times = [packet.dts if packet.dts is not None else packet.pts for packet in read]
        numbers = timeline.stretches(times, WRAPS.get(container.format.name))
        for packet, number in zip(read, numbers):
            packet.opaque = (packet.is_keyframe, number)
            if packet.pts is not None and not packet.is_discard:
                known = keys.get((number, packet.pts), False)
                keys[number, packet.pts] = known or packet.is_keyframe
            try:
                shown = packet.decode()
            except av.error.FFmpegError:
                continue
            frames.extend(Frame(frame, stream) for frame in shown)
        # Some muxers leave out what tells presentation from decoding times.
        rises = all(a.pts < b.pts for a, b in zip(frames, frames[1:]) if a.stretch == b.stretch) \
            if all(frame.pts is not None for frame in frames) else True
        coded = all(packet.pts == packet.dts for packet in read)
        untimed = container.format.name in UNTIMED or (coded and not rises)
        for frame in frames:
            if untimed or frame.pts is None:
                # A frame is shown when it is decoded.
                frame.pts = frame.dts
        mark_sync_points(frames, {} if untimed else keys)
        return frames, stream.time_base, stream.guessed_rate


class Server:
    def open(self, request):
        frames, time_base, rate = decode(request["open"])
        self.frames = frames
        times, end = timeline.place(frames, time_base, rate)
        video = timeline.Video(times, end, [frame.key for frame in frames])
        answer = {
            "time_base": fraction(time_base),
            "duration": fraction(end),
            "frames": [
                {
                    "pts": frame.pts,
                    "time": fraction(time),
                    "key": frame.key,
                    "damaged": frame.damaged,
                    "size": frame.picture.size(),
                    "format": frame.picture.format,
                    "hash": frame.picture.hash(),
                    "number": frame.picture.number(),
                }
                for frame, time in zip(frames, times)
            ],
            "cases": [
                [[index, None if time is None else fraction(time)] for index, time in video.select(case)]
                for case in request["cases"]
            ],
        }
        return answer, b""

    def picture(self, request):
        rgb = self.frames[request["picture"]].picture.rgb()
        return {"size": [rgb.shape[1], rgb.shape[0]]}, rgb.astype(numpy.uint8).tobytes()


def fraction(value):
    return [value.numerator, value.denominator]


def main():
    av.logging.set_level(None)
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer, data = server.open(request) if "open" in request else server.picture(request)
        except Exception as error:
            answer, data = {"error": f"{type(error).__name__}: {error}"}, b""
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + data)
        sys.stdout.buffer.flush()


main()
