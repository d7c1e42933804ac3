//! Chooses the FFmpeg that the programs are linked to, and builds one (`cargo xtask ffmpeg`).
//!
//! `FRAMELIFT_FFMPEG` is `system`, `own`, or a folder where FFmpeg is installed. Without it, it is the one
//! of our own build where there is one, else the system's. Cargo's configuration in `.cargo` chooses in the
//! same way for commands that do not pass here.

#[path = "../../crates/media/src/components.rs"]
mod components;
mod configure;
mod recipe;
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use configure::Target;

use crate::run::{Result, cargo, command, output, root, run};
use crate::setup;

const VARIABLE: &str = "FRAMELIFT_FFMPEG";
const PKG_CONFIG_PATH: &str = "PKG_CONFIG_PATH";
/// The oldest supported libavcodec: that of FFmpeg 5.1.
const MIN_AVCODEC: (u32, u32) = (59, 37);

/// An FFmpeg to link to.
enum Choice {
    System,
    Own,
    /// An installed one.
    Folder(PathBuf),
}

impl Choice {
    /// The choice of the variable.
    fn from_variable() -> Option<Self> {
        match std::env::var(VARIABLE).as_deref() {
            Ok("system") => Some(Self::System),
            Ok("own") => Some(Self::Own),
            Ok("") | Err(_) => None,
            Ok(folder) => Some(Self::Folder(root().join(folder))),
        }
    }

    fn current() -> Self {
        Self::from_variable()
            .unwrap_or_else(|| if recipe::is_built(&own()) { Self::Own } else { Self::System })
    }
}

/// Where our own build is installed.
fn own() -> PathBuf {
    root().join("target/ffmpeg/own")
}

fn pkg_config(folder: &Path) -> PathBuf {
    folder.join("lib/pkgconfig")
}

/// Has `pkg-config` look first where the variable says. Where it says nothing, what Cargo's configuration or the
/// user has set stays: another value would make Cargo compile again what its own commands have compiled.
pub(crate) fn set_pkg_config_path(command: &mut Command) {
    match Choice::from_variable() {
        None => command,
        Some(Choice::System) => command.env(PKG_CONFIG_PATH, ""),
        Some(Choice::Own) => command.env(PKG_CONFIG_PATH, pkg_config(&own())),
        Some(Choice::Folder(folder)) => command.env(PKG_CONFIG_PATH, pkg_config(&folder)),
    };
}

/// Installs the system's packages where they are chosen; elsewhere says what is wrong with the choice.
pub(crate) fn set_up() -> Result {
    setup::media()?;
    let chosen = match Choice::current() {
        Choice::System => {
            setup::system_ffmpeg()?;
            "the system's".to_owned()
        }
        Choice::Own if !recipe::is_built(&own()) => {
            return Err(format!("{VARIABLE}=own, but none is built: `cargo xtask ffmpeg` does it"));
        }
        Choice::Own => "our own build".to_owned(),
        Choice::Folder(folder) if !pkg_config(&folder).join("libavcodec.pc").is_file() => {
            let wanted = pkg_config(&folder).join("libavcodec.pc");
            return Err(format!("{VARIABLE} is no folder with an installed FFmpeg: no {}", wanted.display()));
        }
        Choice::Folder(folder) => folder.display().to_string(),
    };
    let mut query = command("pkg-config", &["--modversion", "libavcodec"]);
    set_pkg_config_path(&mut query);
    let Ok(version) = output(query) else {
        return Err(format!(
            "pkg-config finds no FFmpeg: install the packages that README.md names, or set {VARIABLE}"
        ));
    };
    let version = version.trim();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < MIN_AVCODEC {
        let (major, minor) = MIN_AVCODEC;
        return Err(format!(
            "FFmpeg ({chosen}) is too old: its libavcodec is {version}, {major}.{minor} (FFmpeg 5.1) is needed"
        ));
    }
    println!("FFmpeg: {chosen}, libavcodec {version}");
    Ok(())
}

/// Builds our own, if it is not there as the recipe and the lists say.
pub(crate) fn build(args: &[String]) -> Result {
    let again = match args {
        [] => false,
        [flag] if flag == "--again" => true,
        _ => return Err("ffmpeg takes nothing but --again, which fetches and builds what is newest".into()),
    };
    let folder = own();
    if !again && recipe::is_up_to_date(Target::Libraries, &folder) {
        println!("FFmpeg is built: {}", recipe::describe(&folder));
        return Ok(());
    }
    setup::ffmpeg_build()?;
    recipe::build(Target::Libraries, &folder)?;
    // Cargo does not look at libraries that it has not built.
    for profile in ["dev", "release"] {
        run(cargo(&["clean", "--quiet", "--package", "ffmpeg-sys-next", "--profile", profile]))?;
    }
    println!("FFmpeg is built: {}", recipe::describe(&folder));
    Ok(())
}

/// An `ffmpeg` program of the same recipe, built if it is not there.
pub(crate) fn program() -> Result<PathBuf> {
    let folder = root().join("target/ffmpeg/program");
    if !recipe::is_up_to_date(Target::Program, &folder) {
        setup::ffmpeg_build()?;
        recipe::build(Target::Program, &folder)?;
    }
    Ok(folder.join("bin/ffmpeg"))
}
