//! Builds dav1d and FFmpeg as static libraries, and records what they were built from.

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io, thread};

use super::configure::{self, Target};
use super::source::{self, Source};
use super::{PKG_CONFIG_PATH, pkg_config};
use crate::run::{Result, command, output, run_into};

/// Increase it whenever a change of this file changes the build.
const RECIPE: u32 = 1;

/// The record of a build that was finished, in the folder where it is installed: a line on what was built,
/// then what it was built from.
const RECORD: &str = "built";

/// What a build depends on, besides the sources' versions.
fn inputs(what: Target) -> String {
    format!("recipe {RECIPE}\n{}\n", configure::arguments(what).join("\n"))
}

fn record(folder: &Path) -> Option<(String, String)> {
    let text = fs::read_to_string(folder.join(RECORD)).ok()?;
    text.split_once('\n').map(|(versions, inputs)| (versions.to_owned(), inputs.to_owned()))
}

/// Whether there is a build, even of other lists.
pub(super) fn is_built(folder: &Path) -> bool {
    folder.join(RECORD).is_file()
}

/// Whether there is a build of the current lists and recipe.
pub(super) fn is_up_to_date(what: Target, folder: &Path) -> bool {
    record(folder).is_some_and(|(_, built_from)| built_from == inputs(what))
}

/// The names and versions of what is built.
pub(super) fn describe(folder: &Path) -> String {
    record(folder).map_or_else(|| "nothing".to_owned(), |(versions, _)| versions)
}

/// Fetches, configures, compiles and installs into `folder`, in place of what is there.
pub(super) fn build(what: Target, folder: &Path) -> Result {
    let unpacked = folder.with_file_name("build");
    let build = Build { folder, log: folder.with_file_name("build.log"), started: Instant::now() };
    let cannot = |error: io::Error| format!("cannot build FFmpeg in {}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(cannot)?;
    }
    fs::create_dir_all(folder.join("lib")).map_err(cannot)?;
    fs::write(&build.log, "").map_err(cannot)?;
    println!("building FFmpeg; what its tools say goes to {}", build.log.display());

    build.step("fetching the sources, and checking their signatures");
    let [dav1d, headers, ffmpeg] =
        source::fetch(&unpacked, ["dav1d", "nv-codec-headers", "ffmpeg"], &build.log)?;

    build.step(&format!("compiling dav1d {}", dav1d.version));
    let setup = ["setup", "build", "--libdir=lib", "--buildtype=release", "--default-library=static"];
    let without = ["-Denable_tools=false", "-Denable_tests=false", "-Denable_examples=false"];
    build.run(&dav1d, "meson", &[&setup[..], &without, &[&build.prefix("--prefix")]].concat())?;
    build.run(&dav1d, "ninja", &["-C", "build", "install"])?;
    build.run(&headers, "make", &["install", &build.prefix("PREFIX")])?;
    build.take_zlib()?;

    build.step(&format!("configuring FFmpeg {}", ffmpeg.version));
    let arguments = configure::arguments(what);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let prefix = build.prefix("--prefix");
    arguments.push(&prefix);
    build.run(&ffmpeg, "./configure", &arguments)?;

    build.step("compiling FFmpeg");
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    build.run(&ffmpeg, "make", &[&format!("--jobs={jobs}"), "install"])?;

    fs::remove_dir_all(&unpacked).map_err(cannot)?;
    let versions =
        format!("FFmpeg {}, dav1d {}, NVIDIA's headers {}", ffmpeg.version, dav1d.version, headers.version);
    fs::write(folder.join(RECORD), format!("{versions}\n{}", inputs(what))).map_err(cannot)?;
    build.step("done");
    Ok(())
}

/// A build under way.
struct Build<'a> {
    /// Where it installs.
    folder: &'a Path,
    log: PathBuf,
    started: Instant,
}

impl Build<'_> {
    fn step(&self, what: &str) {
        println!("{:>4.0} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// An option that says where to install.
    fn prefix(&self, option: &str) -> String {
        format!("{option}={}", self.folder.display())
    }

    /// Runs a tool in the folder of a library's source. It finds what is installed already.
    fn run(&self, source: &Source, program: &str, args: &[&str]) -> Result {
        let mut tool = command(program, args);
        tool.current_dir(&source.folder).env(PKG_CONFIG_PATH, pkg_config(self.folder));
        run_into(&self.log, tool)
    }

    /// Puts the system's static zlib beside the others, where a linker finds no other.
    fn take_zlib(&self) -> Result {
        let path = output(command("gcc", &["-print-file-name=libz.a"]))?;
        fs::copy(path.trim(), self.folder.join("lib/libz.a"))
            .map(drop)
            .map_err(|error| format!("cannot copy {}: {error}", path.trim()))
    }
}
