//! Fuzzes the parsers of untrusted bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Result, cargo, command, output, root, run, target};
use crate::setup;

/// The version of `cargo-fuzz`, which is installed beside the other tools of the tests.
const CARGO_FUZZ: &str = "0.13.2";
/// Each target in `fuzz/`, and the folder of files of the tree that it starts from.
const TARGETS: &[(&str, Option<&str>)] = &[
    ("claims", None),
    ("containers", None),
    ("form", None),
    ("index", None),
    ("link", None),
    ("messages", Some("crates/contract/tests/golden")),
    ("names", None),
    ("options", Some("crates/contract/tests/golden")),
    ("pictures", None),
    ("range", None),
    ("token", None),
];
/// Small videos that the readers of containers start from: a file's name, and what `ffmpeg` is told.
const VIDEOS: &[(&str, &str)] = &[
    ("a.mp4", "-c:v libx264 -preset ultrafast -bf 1"),
    ("b.mp4", "-c:v libx264 -preset ultrafast -movflags frag_keyframe+empty_moov"),
    ("c.mov", "-c:v mjpeg -pix_fmt yuvj420p"),
    ("d.mkv", "-c:v libx264 -preset ultrafast"),
    ("e.webm", "-c:v libvpx -deadline realtime"),
    ("f.ts", "-c:v mpeg2video"),
    ("g.mpg", "-c:v mpeg2video"),
    ("h.avi", "-c:v mpeg4"),
    ("i.flv", "-c:v flv"),
    ("j.wmv", "-c:v wmv2"),
    ("k.gif", ""),
];

/// Runs the named targets, or all, for a number of seconds each.
pub(crate) fn fuzz(args: &[String]) -> Result {
    let (mut names, mut seconds) = (Vec::new(), "60".to_owned());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let value = args.next().filter(|value| value.parse::<u32>().is_ok());
                seconds = value.ok_or("--seconds needs a number")?.clone();
            }
            name if TARGETS.iter().any(|(target, _)| *target == name) => names.push(name.to_owned()),
            other => {
                let all: Vec<_> = TARGETS.iter().map(|(target, _)| *target).collect();
                return Err(format!("there is no fuzz target {other}; there are {}", all.join(", ")));
            }
        }
    }
    setup::for_tests()?;
    install()?;
    let folder = target().join("fuzz");
    let videos = videos(&folder)?;
    for (name, seeds) in TARGETS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("fuzzing: {name}, for {seconds} s");
        let (corpus, findings) = (folder.join("corpus").join(name), folder.join("findings").join(name));
        for made in [&corpus, &findings] {
            std::fs::create_dir_all(made)
                .map_err(|error| format!("cannot make {}: {error}", made.display()))?;
        }
        let mut fuzz = cargo_fuzz();
        fuzz.args(["run", "--target-dir"]).arg(&folder).arg(name);
        // What is new is written to the first folder, and the others are read.
        fuzz.arg(&corpus).arg(&videos).args(seeds.map(|seeds| root().join(seeds)));
        fuzz.args(["--", "-verbosity=0", "-print_final_stats=1", "-rss_limit_mb=2048", "-timeout=60"]);
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-artifact_prefix={}/", findings.display()));
        run(fuzz)?;
    }
    Ok(())
}

fn program() -> PathBuf {
    target().join("tools/cargo-fuzz/bin/cargo-fuzz")
}

/// `cargo-fuzz` of the one version, in a folder of its own.
fn install() -> Result {
    if output(command(&program().to_string_lossy(), &["--version"]))
        .is_ok_and(|text| text.contains(CARGO_FUZZ))
    {
        return Ok(());
    }
    println!("installing cargo-fuzz {CARGO_FUZZ}");
    let mut install = cargo(&["install", "--quiet", "--locked", "--debug", "--force", "cargo-fuzz"]);
    install.args(["--version", CARGO_FUZZ, "--root"]).arg(target().join("tools/cargo-fuzz"));
    run(install)
}

/// `cargo fuzz`, which needs flags of the compiler that are not stable.
fn cargo_fuzz() -> Command {
    let mut command = command(&program().to_string_lossy(), &[]);
    crate::ffmpeg::set_pkg_config_path(&mut command);
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

/// The folder of small videos, which are made at the first call.
fn videos(folder: &Path) -> Result<PathBuf> {
    let videos = folder.join("videos");
    std::fs::create_dir_all(&videos).map_err(|error| format!("cannot make {}: {error}", videos.display()))?;
    for (name, arguments) in VIDEOS {
        let path = videos.join(name);
        if !path.exists() {
            let input = "-v error -y -f lavfi -i testsrc2=s=32x32:r=25:d=0.16 -pix_fmt yuv420p";
            let mut ffmpeg = command("ffmpeg", &input.split(' ').collect::<Vec<_>>());
            ffmpeg.args(arguments.split_whitespace()).arg(&path);
            run(ffmpeg)?;
        }
    }
    Ok(videos)
}
