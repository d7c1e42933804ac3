//! `framelift download`: downloads the archive and checks it. Resumes an interrupted download.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use backon::ExponentialBuilder;
use clap::Args;
use framelift_contract::video::DownloadResponse;
use indicatif::ProgressBar;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::video::{Outcome, Video};
use super::wait::{self, completed};
use crate::interrupts;
use crate::outcome::{Done, Failed, frames};
use crate::service::retry::{retry, schedule};
use crate::service::{Call, Service, ServiceArgs, ServiceError};

/// The delays together bridge a minute without a network.
const RETRIES: ExponentialBuilder = schedule(Duration::from_secs(1), Duration::from_secs(30), 6);

#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The video's id
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Default, Args)]
pub(crate) struct OutputArgs {
    /// Write the archive to a file (frames.zip) or into a folder (frames/) [default: NAME-frames.zip]
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(short, long, help_heading = "Output")]
    pub(crate) force: bool,
}

pub(crate) fn download(args: &DownloadArgs) -> Result<Done, Failed> {
    interrupts::set_hint("the same command goes on where it stopped");
    let service = Service::open(&args.service)?;
    let video = Video::fetch(&service, &args.id)?;
    if !video.is_finished() {
        let message = format!("{} is {}", args.id, video.state());
        return Err(Failed::Video {
            code: "processing-not-finished".to_owned(),
            message: format!("{message}; `framelift watch` waits for it"),
        });
    }
    fetch(&service, completed(video)?, &args.output, args.service.quiet)
}

/// Downloads a completed video's archive to where the arguments say.
pub(crate) fn fetch(
    service: &Service,
    video: Video,
    output: &OutputArgs,
    quiet: bool,
) -> Result<Done, Failed> {
    let Some(result) = &video.result else {
        return Err(anyhow!("{} has no result", video.id).into());
    };
    let target = target(output.output.as_deref(), &video.file_name);
    if !output.force && target.symlink_metadata().is_ok() {
        return Err(anyhow!("{} exists; --force replaces it", target.display()).into());
    }
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let part = partial(&target, &result.sha256);
    let bar = wait::bar(quiet, wait::BYTES, result.size_bytes)?;
    bar.set_message(target.display().to_string());
    let received = receive(service, &video.id, result, &part, &bar);
    bar.finish_and_clear();
    received?;
    publish(&part, &target, output.force)?;
    let text = format!(
        "{} in {} ({})",
        frames(result.frames),
        target.display(),
        indicatif::HumanBytes(result.size_bytes)
    );
    let mut json = video.raw.clone();
    json["output"] = json!(target.display().to_string());
    Ok(Done { text, json, warnings: result.warnings.clone() })
}

/// Where the archive goes.
fn target(output: Option<&Path>, file_name: &str) -> PathBuf {
    let is_file = |path: &Path| {
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip")) && !path.is_dir()
    };
    match output {
        Some(path) if is_file(path) => path.to_owned(),
        Some(folder) => folder.join(archive_name(file_name)),
        None => archive_name(file_name).into(),
    }
}

/// The archive's name as the service has it. The video's name is untrusted.
fn archive_name(file_name: &str) -> String {
    let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    let plain: String = stem.chars().filter(|letter| !letter.is_control()).take(60).collect();
    format!("{}-frames.zip", if plain.is_empty() { "video" } else { &plain })
}

/// The file of a partial download of the archive with this checksum.
fn partial(target: &Path, sha256: &str) -> PathBuf {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let known: String = sha256.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    target.with_file_name(format!(".{name}.{known}.part"))
}

/// Downloads the archive into `part` and checks it. Removes `part` if the checksum is wrong.
fn receive(
    service: &Service,
    id: &str,
    result: &Outcome,
    part: &Path,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    let shown = || part.display().to_string();
    let mut file = File::options().read(true).append(true).create(true).open(part).with_context(shown)?;
    // Locked, because two downloads at the same time would mix their bytes.
    file.try_lock().with_context(|| format!("{} is being written by another download", part.display()))?;
    let mut hash = Sha256::new();
    let mut received_bytes = copy(&mut file, |bytes| {
        hash.update(bytes);
        Ok(())
    })
    .with_context(shown)?;
    while received_bytes < result.size_bytes {
        bar.set_position(received_bytes);
        bar.reset_eta();
        let receive_more = || {
            let before = received_bytes;
            let copied = copy(&mut rest(service, id, received_bytes)?, |bytes| {
                file.write_all(bytes)?;
                hash.update(bytes);
                received_bytes += bytes.len() as u64;
                bar.inc(bytes.len() as u64);
                Ok(())
            });
            match copied {
                Ok(0) => Err(anyhow!("the archive ended after {received_bytes} bytes").into()),
                Err(Copied::Write(error)) => Err(anyhow::Error::from(error).context(shown()).into()),
                // A connection that broke off after some bytes is replaced at once.
                Err(Copied::Read(error)) if received_bytes == before => Err(ServiceError::Unreachable {
                    server: "the object store".to_owned(),
                    reason: error.to_string(),
                }),
                Ok(_) | Err(Copied::Read(_)) => Ok(()),
            }
        };
        retry(RETRIES, receive_more, || {})?;
    }
    if received_bytes != result.size_bytes || hex::encode(hash.finalize()) != result.sha256 {
        fs::remove_file(part).with_context(shown)?;
        return Err(Failed::Video {
            code: "checksum-mismatch".to_owned(),
            message: "the archive is damaged: its SHA-256 differs; download it again".to_owned(),
        });
    }
    file.sync_all().with_context(shown)?;
    Ok(())
}

/// The archive's bytes from `offset` on.
fn rest(service: &Service, id: &str, offset: u64) -> Result<impl Read, ServiceError> {
    let place: DownloadResponse = service.send(&Call::get(format!("/videos/{id}/download")))?.json()?;
    service.http().read_from(&place.url, offset)
}

/// Which side of a copy failed.
enum Copied {
    Read(io::Error),
    Write(io::Error),
}

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Read(error) | Self::Write(error)) = self;
        error.fmt(f)
    }
}

impl std::fmt::Debug for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Copied {}

/// Reads to the end, piece by piece; the number of bytes.
fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, Copied> {
    let (mut buffer, mut total) = (vec![0; 128 << 10], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                to(&buffer[..read]).map_err(Copied::Write)?;
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Copied::Read(error)),
        }
    }
}

/// Moves the archive to its place.
fn publish(part: &Path, target: &Path, force: bool) -> Result<(), Failed> {
    let moved = match force {
        true => fs::rename(part, target),
        // A file that was created meanwhile is not replaced.
        false => crate::staging::move_new(part, target),
    };
    Ok(moved.with_context(|| target.display().to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_go_to_files_and_into_folders() {
        let folder = tempfile::tempdir().unwrap();
        let existing = folder.path().join("odd.zip");
        fs::create_dir(&existing).unwrap();
        for (output, path) in [
            (None, PathBuf::from("trip-frames.zip")),
            (Some(Path::new("a.zip")), "a.zip".into()),
            (Some(Path::new("out")), "out/trip-frames.zip".into()),
            (Some(&*existing), existing.join("trip-frames.zip")),
        ] {
            assert_eq!(target(output, "trip.mp4"), path);
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for (name, archive) in [
            ("../../etc/passwd.mp4", "passwd-frames.zip"),
            ("..", ".-frames.zip"),
            ("C:\\a\\b.mp4", "b-frames.zip"),
            ("", "video-frames.zip"),
            ("\u{1b}[2J.mp4", "[2J-frames.zip"),
            (".mp4", ".mp4-frames.zip"),
        ] {
            assert_eq!(archive_name(name), archive, "{name}");
        }
    }

    #[test]
    fn a_partial_download_belongs_to_one_archive() {
        let part = |sha256: &str| partial(Path::new("out/a.zip"), sha256);
        assert_eq!(part("0123456789abcdef"), Path::new("out/.a.zip.0123456789ab.part"));
        assert_ne!(part("0123456789abcdef"), part("fedcba9876543210"));
        assert_eq!(part("../../x"), Path::new("out/.a.zip..part"));
    }
}
