//! `cargo xtask gpu-kit`: one folder with all that a machine with an NVIDIA GPU needs to try the engine and to
//! measure it: a program, clips, an `ffmpeg` of the same recipe, and what a C program needs to run anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Result, cargo, command, output, root, run, target};
use crate::{ffmpeg, setup};

/// Bytes that the folder may have.
const MAX_BYTES: u64 = 60 << 20;

/// A clip: its file, what it shows, and how it is encoded.
struct Clip {
    file: &'static str,
    input: &'static str,
    encoder: &'static str,
}

const fn clip(file: &'static str, input: &'static str, encoder: &'static str) -> Clip {
    Clip { file, input, encoder }
}

/// Something small that moves, with colours and edges.
const SMALL: &str = "-f lavfi -i testsrc2=size=384x256:rate=25:duration=2";
const ODD_SIZE: &str = "-f lavfi -i testsrc2=size=383x255:rate=25:duration=1";
/// Footage, enlarged by mirrored copies of itself so that it keeps a camera's detail.
const HD: &str = "-stream_loop 2 -i e2e/media/big-buck-bunny-5s.mp4 -an -r 30";

const X264: &str = "-c:v libx264 -preset veryfast -g 60 -pix_fmt yuv420p";
const X265: &str = "-c:v libx265 -preset veryfast -x265-params log-level=none:keyint=60 -pix_fmt yuv420p";
const SVT: &str = "-c:v libsvtav1 -preset 10 -g 60 -pix_fmt yuv420p";

fn clips() -> Vec<Clip> {
    vec![
        clip("check-h264-8.mp4", SMALL, "-c:v libx264 -bf 3 -g 12 -pix_fmt yuv420p"),
        clip("check-hevc-8.mp4", SMALL, "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p"),
        clip("check-hevc-10.mp4", SMALL, "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le"),
        clip("check-vp8-8.mkv", SMALL, "-c:v libvpx -b:v 1M -pix_fmt yuv420p"),
        clip("check-vp9-8.mkv", SMALL, "-c:v libvpx-vp9 -cpu-used 8 -b:v 1M -pix_fmt yuv420p"),
        clip("check-vp9-10.mkv", SMALL, "-c:v libvpx-vp9 -cpu-used 8 -b:v 1M -pix_fmt yuv420p10le"),
        clip("check-av1-8.mkv", SMALL, "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p"),
        clip("check-av1-10.mkv", SMALL, "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p10le"),
        clip("check-mpeg1video-8.ts", SMALL, "-c:v mpeg1video -bf 2 -q:v 3 -pix_fmt yuv420p"),
        clip("check-mpeg2video-8.ts", SMALL, "-c:v mpeg2video -bf 2 -q:v 3 -pix_fmt yuv420p"),
        clip("fallback-odd-size.mp4", ODD_SIZE, "-c:v libx264 -pix_fmt yuv444p"),
        clip("fallback-chroma-422.mp4", SMALL, "-c:v libx264 -pix_fmt yuv422p"),
        clip("fallback-h264-10-bits.mp4", SMALL, "-c:v libx264 -pix_fmt yuv420p10le"),
        clip("fallback-mpeg4.mp4", SMALL, "-c:v mpeg4 -q:v 3 -pix_fmt yuv420p"),
        clip("measure-h264-720p.mp4", HD, X264),
        clip("measure-h264-1080p.mp4", HD, X264),
        clip("measure-h264-2160p.mp4", HD, X264),
        clip("measure-hevc-720p.mp4", HD, X265),
        clip("measure-hevc-1080p.mp4", HD, X265),
        clip("measure-hevc-2160p.mp4", HD, X265),
        clip("measure-av1-720p.mp4", HD, SVT),
        clip("measure-av1-1080p.mp4", HD, SVT),
        clip("measure-av1-2160p.mp4", HD, SVT),
    ]
}

/// Sizes by what ends a clip's name, with the bit rate and the seconds that keep the kit small.
const SIZES: &[(&str, (u32, u32), &str, &str)] = &[
    ("-720p.mp4", (1280, 720), "1500k", "10"),
    ("-1080p.mp4", (1920, 1080), "3M", "10"),
    ("-2160p.mp4", (3840, 2160), "6M", "6"),
];

/// What the dynamic loader of another system may have too old: all of one release, with its loader.
const RUNTIME: &[&str] = &[
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
];

/// Starts a program with the system's C library where that is new enough, else with the kit's.
const START: &str = r#"#!/bin/sh
# Starts a program of the kit: `start.sh PROGRAM ARGUMENTS…`.
kit=$(dirname "$(readlink -f "$0")")
program=$kit/bin/$1
shift
if "$program" -h >/dev/null 2>&1; then exec "$program" "$@"; fi
exec "$kit/runtime/ld-linux-x86-64.so.2" --library-path "$kit/runtime" "$program" "$@"
"#;

const RUN: &str = r#"#!/bin/sh
# Tries and measures decoding on the GPU of this machine; ends within four minutes. The results are in
# `results.json` and `results.txt` in the current folder, or in the one that is named.
kit=$(dirname "$(readlink -f "$0")")
out=${1:-.}
mkdir -p "$out" || exit 2
timeout 235 "$kit/bin/gpu-kit.sh" --clips "$kit/clips" --results "$out/results.json" \
  --program "$kit/bin/gpu-kit.sh" --ffmpeg "$kit/bin/ffmpeg.sh" >"$out/results.txt" 2>&1
status=$?
cat "$out/results.txt"
exit $status
"#;

/// Packs the kit into `target/gpu-kit`.
pub(crate) fn gpu_kit() -> Result {
    setup::for_tests()?;
    ffmpeg::build(&[])?;
    let peer = ffmpeg::program()?;
    println!("building the program");
    run(cargo(&["build", "--quiet", "--release", "--package", "framelift-gpu-kit"]))?;
    let kit = target().join("gpu-kit");
    pack(&kit, &peer)?;
    println!("making the clips");
    for clip in clips() {
        make(&clip, &kit.join("clips"))?;
    }
    let bytes = size(&kit)?;
    println!("{}: {:.1} MiB; copy it, and run run.sh", kit.display(), bytes as f64 / f64::from(1 << 20));
    if bytes > MAX_BYTES { Err(format!("that is more than {} MiB", MAX_BYTES >> 20)) } else { Ok(()) }
}

fn pack(kit: &Path, peer: &Path) -> Result {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", kit.display());
    for folder in ["bin", "runtime", "clips"] {
        fs::create_dir_all(kit.join(folder)).map_err(failed)?;
    }
    let program = target().join("release/framelift-gpu-kit");
    for (from, name) in [(program.as_path(), "gpu-kit"), (peer, "ffmpeg")] {
        let to = kit.join("bin").join(name);
        fs::copy(from, &to).map_err(failed)?;
        run(command("strip", &[&to.to_string_lossy()]))?;
        let start =
            format!("#!/bin/sh\nexec \"$(dirname \"$(readlink -f \"$0\")\")/../start.sh\" {name} \"$@\"\n");
        script(&kit.join("bin").join(format!("{name}.sh")), &start)?;
    }
    for library in RUNTIME {
        let path = output(command("gcc", &[&format!("-print-file-name={library}")]))?;
        fs::copy(path.trim(), kit.join("runtime").join(library)).map_err(failed)?;
    }
    script(&kit.join("start.sh"), START)?;
    script(&kit.join("run.sh"), RUN)
}

fn script(path: &Path, text: &str) -> Result {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Makes a clip that is not there.
fn make(clip: &Clip, folder: &Path) -> Result {
    let path = folder.join(clip.file);
    if path.exists() {
        return Ok(());
    }
    println!("  {}", clip.file);
    let part = path.with_file_name(format!("part-{}", clip.file));
    let mut ffmpeg = command("ffmpeg", &["-v", "error", "-nostdin", "-y"]);
    ffmpeg.args(clip.input.split(' ')).args(clip.encoder.split(' '));
    if let Some((_, (width, height), rate, seconds)) = SIZES.iter().find(|(end, ..)| clip.file.ends_with(end))
    {
        ffmpeg.args(["-vf", &mirrored(*width, *height), "-b:v", rate, "-t", seconds]);
    }
    run({
        ffmpeg.arg(&part).current_dir(root());
        ffmpeg
    })?;
    fs::rename(&part, &path).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Filters that make a larger picture of 1280 × 720 by mirroring it: enlarged pictures would be too easy.
fn mirrored(width: u32, height: u32) -> String {
    let across = width.div_ceil(1280);
    let row = |n: u32| match n {
        1 => String::new(),
        2 => "split[a][b];[b]hflip[c];[a][c]hstack,".to_owned(),
        _ => "split=3[a][b][c];[b]hflip[d];[a][d][c]hstack=3,".to_owned(),
    };
    let column = |n: u32| match n {
        1 => String::new(),
        2 => "split[e][f];[f]vflip[g];[e][g]vstack,".to_owned(),
        _ => "split=3[e][f][g];[f]vflip[h];[e][h][g]vstack=3,".to_owned(),
    };
    format!("{}{}crop={width}:{height}", row(across), column(height.div_ceil(720)))
}

fn size(folder: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut bytes = 0;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let meta = entry.metadata().map_err(failed)?;
            if meta.is_dir() { folders.push(entry.path()) } else { bytes += meta.len() }
        }
    }
    Ok(bytes)
}
