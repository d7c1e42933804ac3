//! What the tests of a package need besides cargo, so that nothing else is installed and built for them.

use super::selection::Selection;
use crate::build::{GUESTS, TEST_GUESTS};
use crate::run::{Result, cargo, output};
use crate::{ffmpeg, setup};

/// Packages whose tests run FFmpeg's programs, `unzip`, `7z` or Python.
const TOOLS: &[&str] =
    &["framelift-media", "framelift-worker", "framelift-cli", "framelift-e2e", "framelift-benches"];
/// Packages whose tests compare with what comes from PyPI.
const PEERS: &[&str] = &["framelift-media", "framelift-worker", "framelift-dev-sqs", "framelift-e2e"];

/// What is to be installed and built.
#[derive(Debug, Default)]
pub(super) struct Needs {
    ffmpeg: bool,
    tools: bool,
    peers: bool,
    clients: bool,
    /// What the authors of plugins build with.
    plugins: bool,
    /// Guests by package.
    pub(super) guests: Vec<&'static str>,
    /// The programs that the whole system is made of.
    pub(super) programs: bool,
}

impl Needs {
    /// What the tests of these packages need.
    pub(super) fn of(packages: &[String], selection: &Selection) -> Result<Self> {
        let has = |names: &[&str]| packages.iter().any(|package| names.contains(&package.as_str()));
        let whole_system = has(&["framelift-e2e"]);
        let mut guests = Vec::new();
        if whole_system {
            guests.extend(GUESTS);
            guests.extend(TEST_GUESTS);
        } else if has(&["framelift-edge-host"]) {
            guests.push("framelift-test-guest");
        }
        Ok(Self {
            ffmpeg: whole_system || uses_ffmpeg(packages)?,
            tools: has(TOOLS),
            peers: has(PEERS) && !selection.lib,
            clients: whole_system,
            plugins: has(&["framelift-cli", "framelift-e2e"]) && !selection.lib,
            guests,
            programs: whole_system,
        })
    }

    /// Installs what is missing of it.
    pub(super) fn set_up(&self) -> Result {
        setup::compilers()?;
        if self.ffmpeg {
            ffmpeg::set_up()?;
        }
        if self.tools {
            setup::tools()?;
        }
        if self.peers {
            setup::peers()?;
        }
        if self.clients {
            setup::clients()?;
            setup::browser()?;
        }
        if self.plugins {
            setup::authors()?;
        }
        if self.guests.is_empty() { Ok(()) } else { setup::wasm_targets() }
    }
}

fn uses_ffmpeg(packages: &[String]) -> Result<bool> {
    let mut tree = cargo(&["tree", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"]);
    packages.iter().for_each(|package| {
        tree.args(["--package", package]);
    });
    Ok(output(tree)?.lines().any(|line| line.starts_with("ffmpeg-sys-next ")))
}
