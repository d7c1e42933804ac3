//! The sources: packages of Debian's stable release, whose signatures `apt-get` checks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::run::{Result, command, run_into};

/// Debian 13 keeps to one release of FFmpeg for its life, and follows it with security fixes.
const SUITES: &[(&str, &str)] = &[
    ("http://deb.debian.org/debian", "trixie"),
    ("http://deb.debian.org/debian-security", "trixie-security"),
];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The source of one library.
pub(super) struct Source {
    pub(super) version: String,
    /// Where it is unpacked.
    pub(super) folder: PathBuf,
}

/// Fetches and unpacks the newest upstream archive of each package into `folder`, which is emptied first.
///
/// The system's `apt` does not change: the list of places, what is known of them, and what is fetched are all
/// in `folder`.
pub(super) fn fetch<const N: usize>(folder: &Path, packages: [&str; N], log: &Path) -> Result<[Source; N]> {
    prepare(folder).map_err(|error| format!("cannot write in {}: {error}", folder.display()))?;
    run_into(log, apt(folder, &["update"]))?;
    let mut source = apt(folder, &["source", "--download-only", "--tar-only"]);
    source.args(packages).current_dir(folder);
    run_into(log, source)?;
    let mut sources = Vec::new();
    for package in packages {
        sources.push(unpack(folder, package, log)?);
    }
    sources.try_into().map_err(|_| "as many sources as packages".to_owned())
}

fn prepare(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("lists/partial"))?;
    fs::create_dir_all(folder.join("cache/archives/partial"))?;
    let line = |(uri, suite): &(&str, &str)| format!("deb-src [signed-by={KEYRING}] {uri} {suite} main\n");
    fs::write(folder.join("sources.list"), SUITES.iter().map(line).collect::<String>())
}

fn apt(folder: &Path, args: &[&str]) -> Command {
    let mut apt = command("apt-get", &["--quiet"]);
    let settings = [
        ("Dir::Etc::SourceList", folder.join("sources.list")),
        ("Dir::Etc::SourceParts", PathBuf::from("/dev/null")),
        ("Dir::State::Lists", folder.join("lists")),
        ("Dir::Cache", folder.join("cache")),
        // The user for downloads, who may not write in here.
        ("APT::Sandbox::User", PathBuf::from("root")),
    ];
    for (name, value) in settings {
        apt.arg("-o").arg(format!("{name}={}", value.display()));
    }
    apt.args(args);
    apt
}

/// Unpacks the one archive of a package that was fetched: `ffmpeg_7.1.5.orig.tar.xz`.
fn unpack(folder: &Path, package: &str, log: &Path) -> Result<Source> {
    let failed = |error: io::Error| format!("cannot unpack {package}: {error}");
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(package).and_then(|rest| rest.strip_prefix('_'));
        let Some((version, "xz" | "gz" | "bz2")) = rest.and_then(|rest| rest.split_once(".orig.tar.")) else {
            continue;
        };
        let source = Source { version: version.to_owned(), folder: folder.join(package) };
        fs::create_dir_all(&source.folder).map_err(failed)?;
        let mut tar = command("tar", &["--extract", "--strip-components=1", "--file"]);
        tar.arg(folder.join(&name)).arg("--directory").arg(&source.folder);
        run_into(log, tar)?;
        return Ok(source);
    }
    Err(format!("no archive of {package} was fetched; {} says more", log.display()))
}
