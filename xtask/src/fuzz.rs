//! Fuzzes the parsers of untrusted bytes.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Result, cargo, command, output, root, run, target};
use crate::setup;

/// The version of `cargo-fuzz`, which is installed beside the other tools of the tests.
const CARGO_FUZZ: &str = "0.13.2";
/// Those that bring FFmpeg and the encoders with them, which take long to build with the fuzzer's instruments.
const MEDIA: &[&str] = &["child", "claims", "containers", "names", "pictures"];
/// Those that also start from the golden files of what crosses a wire.
const OF_WIRE: &[&str] = &["messages", "options"];

/// Runs the named targets, or all, for a number of seconds each.
pub(crate) fn fuzz(args: &[String]) -> Result {
    let (mut names, mut seconds) = (Vec::new(), "60".to_owned());
    let targets = targets()?;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let value = args.next().filter(|value| value.parse::<u32>().is_ok());
                seconds = value.ok_or("--seconds needs a number")?.clone();
            }
            name if targets.iter().any(|target| target == name) => names.push(name.to_owned()),
            other => {
                return Err(format!("there is no fuzz target {other}; there are {}", targets.join(", ")));
            }
        }
    }
    if names.is_empty() {
        names = targets;
    }
    setup::compilers()?;
    if names.iter().any(|name| MEDIA.contains(&name.as_str())) {
        crate::ffmpeg::set_up()?;
    }
    install()?;
    let folder = target().join("fuzz");
    for name in &names {
        println!("fuzzing: {name}, for {seconds} s");
        let (corpus, findings) = (folder.join("corpus").join(name), folder.join("findings").join(name));
        for made in [&corpus, &findings] {
            std::fs::create_dir_all(made)
                .map_err(|error| format!("cannot make {}: {error}", made.display()))?;
        }
        let mut fuzz = cargo_fuzz();
        fuzz.args(["run", "--target-dir"]).arg(&folder);
        if MEDIA.contains(&name.as_str()) {
            fuzz.args(["--features", "media"]);
        }
        fuzz.arg(name);
        // What is new is written to the first folder, and the others are read.
        fuzz.arg(&corpus).arg(root().join("dev/fuzz/seeds").join(name));
        if OF_WIRE.contains(&name.as_str()) {
            fuzz.arg(root().join("crates/contract/tests/golden"));
        }
        fuzz.args(["--", "-verbosity=0", "-print_final_stats=1", "-rss_limit_mb=2048", "-timeout=60"]);
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-artifact_prefix={}/", findings.display()));
        run(fuzz)?;
    }
    Ok(())
}

/// Each target in `fuzz/`.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries =
        std::fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
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
