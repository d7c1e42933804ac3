//! A small video in each container, made by the `ffmpeg` program.

use std::path::Path;
use std::process::Command;

/// A good file.
pub(crate) struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

const H264: &str = "-c:v libx264 -preset ultrafast -bf 1 -g 8";

/// Every container that the engine takes, with the codecs that are usual in them.
const SAMPLES: &[(&str, &str)] = &[
    ("h264.mp4", H264),
    ("fragments.mp4", "-c:v libx264 -preset ultrafast -g 8 -movflags frag_keyframe+empty_moov"),
    ("hevc.mov", "-c:v libx265 -x265-params log-level=error:keyint=8 -tag:v hvc1"),
    ("mpeg4.3gp", "-c:v mpeg4 -g 8"),
    ("h264.mkv", H264),
    ("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 8"),
    ("vp8.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -g 8"),
    ("av1.mkv", "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 8"),
    ("h264.ts", H264),
    ("h264.m2ts", "-c:v libx264 -preset ultrafast -g 8 -mpegts_m2ts_mode 1"),
    ("mpeg2.mpg", "-c:v mpeg2video -g 8"),
    ("mpeg4.avi", "-c:v mpeg4 -g 8"),
    ("mjpeg.avi", "-c:v mjpeg -pix_fmt yuvj420p"),
    ("h264.flv", H264),
    ("wmv2.wmv", "-c:v wmv2 -g 8"),
    ("animation.gif", ""),
    ("theora.ogv", "-c:v libtheora -g 8"),
    ("mpeg2.mxf", "-c:v mpeg2video -g 8"),
    ("av1.ivf", "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 8"),
    ("stream.h264", H264),
    ("stream.hevc", "-c:v libx265 -x265-params log-level=error:keyint=8"),
];

/// Encodes all of them: 24 moving pictures, with sound where the container has it by itself.
pub(crate) fn make() -> Vec<Sample> {
    let folder = tempfile::tempdir().unwrap();
    SAMPLES
        .iter()
        .map(|(name, arguments)| Sample { name, bytes: encode(folder.path(), name, arguments) })
        .collect()
}

fn encode(folder: &Path, name: &str, arguments: &str) -> Vec<u8> {
    let path = folder.join(name);
    let input = "-v error -nostdin -y -f lavfi -i testsrc2=s=96x64:r=25:d=0.96 -pix_fmt yuv420p -threads 1";
    let mut command = Command::new("ffmpeg");
    command.args(input.split_whitespace()).args(arguments.split_whitespace()).arg(&path);
    assert!(command.status().unwrap().success(), "ffmpeg makes {name}");
    std::fs::read(path).unwrap()
}
