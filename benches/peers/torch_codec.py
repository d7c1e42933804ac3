"""The job with torchcodec: FFmpeg's decoders behind PyTorch's tensors, images by simplejpeg or Pillow."""

import io
import os
from collections.abc import Iterator

import numpy
import simplejpeg
from PIL import Image
from torchcodec.decoders import VideoDecoder

import wanted as peer

# Pictures that are decoded at a time: as many as fit into memory beside those that wait to be encoded.
BATCH = 16


def selected(decoder: VideoDecoder, wanted: peer.argparse.Namespace) -> Iterator[numpy.ndarray]:
    if wanted.keyframes:
        raise SystemExit("torchcodec has no way to decode key pictures alone")
    if wanted.all:
        number = decoder.metadata.num_frames
        for start in range(0, number, BATCH):
            yield from decoder.get_frames_in_range(start, min(start + BATCH, number)).data.numpy()
        return
    times = peer.times(wanted, decoder.metadata.duration_seconds)
    begin = decoder.metadata.begin_stream_seconds
    for start in range(0, len(times), BATCH):
        batch = [begin + time for time in times[start:start + BATCH]]
        yield from decoder.get_frames_played_at(batch).data.numpy()


def main() -> None:
    wanted = peer.arguments(["simplejpeg", "pillow"])

    def encode(picture: numpy.ndarray) -> bytes:
        if wanted.format == "jpeg" and wanted.encoder == "simplejpeg":
            return simplejpeg.encode_jpeg(picture, wanted.quality, "RGB", "420")
        output = io.BytesIO()
        options = {"compress_level": 1} if wanted.format == "png" else {"quality": wanted.quality}
        Image.fromarray(picture).save(output, wanted.format, **options)
        return output.getvalue()

    # An approximate seek trusts the container's times, which are even in these files: its faster way.
    decoder = VideoDecoder(wanted.video, dimension_order="NHWC", num_ffmpeg_threads=os.cpu_count() or 1,
                           seek_mode="approximate")
    peer.write(wanted, selected(decoder, wanted), encode)


main()
