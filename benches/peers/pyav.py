"""The job with PyAV: FFmpeg's decoders with all their threads, images by Pillow or simplejpeg."""

import io
from collections.abc import Iterator

import av
import simplejpeg
from av import VideoFrame
from av.container import InputContainer

import wanted as peer


def selected(container: InputContainer, wanted: peer.argparse.Namespace) -> Iterator[VideoFrame]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    if wanted.keyframes:
        stream.codec_context.skip_frame = "NONKEY"
    if wanted.keyframes or wanted.all:
        yield from container.decode(stream)
        return
    base = stream.time_base
    start = stream.start_time or 0
    duration = float((stream.duration or 0) * base)
    find = by_seeking if wanted.seek else in_passing
    yield from find(container, [start + round(time / base) for time in peer.times(wanted, duration)])


def in_passing(container: InputContainer, targets: list[int]) -> Iterator[VideoFrame]:
    """For each target the last picture at or before it, from one pass."""
    shown, index = None, 0
    for frame in container.decode(video=0):
        while index < len(targets) and shown is not None and frame.pts > targets[index]:
            yield shown
            index += 1
        if index == len(targets):
            return
        shown = frame
    for _ in targets[index:]:
        if shown is not None:
            yield shown


def by_seeking(container: InputContainer, targets: list[int]) -> Iterator[VideoFrame]:
    """For each target a jump to the key picture before it."""
    stream = container.streams.video[0]
    for target in targets:
        container.seek(target, stream=stream)
        shown = None
        for frame in container.decode(stream):
            if shown is not None and frame.pts > target:
                break
            shown = frame
            if frame.pts + (frame.duration or 0) > target:
                break
        if shown is not None:
            yield shown


def pillow(frame: VideoFrame, image_format: str, quality: int) -> bytes:
    output = io.BytesIO()
    options = {"compress_level": 1} if image_format == "png" else {"quality": quality}
    frame.to_image().save(output, image_format, **options)
    return output.getvalue()


def planes(frame: VideoFrame, quality: int) -> bytes:
    """Straight from YUV, without a detour over RGB."""
    whole = frame.to_ndarray(format="yuvj420p")
    height, width = frame.height, frame.width
    half = (height // 2, width // 2)
    blue, red = whole[height:].reshape(2, *half)
    return simplejpeg.encode_jpeg_yuv_planes(whole[:height], blue, red, quality)


def main() -> None:
    wanted = peer.arguments(["pillow", "simplejpeg"])

    def encode(frame: VideoFrame) -> bytes:
        if wanted.encoder == "simplejpeg":
            return planes(frame, wanted.quality)
        return pillow(frame, wanted.format, wanted.quality)

    with av.open(wanted.video) as container:
        peer.write(wanted, selected(container, wanted), encode)


main()
