//! `framelift frames`: single frames of a finished video, or all of them into a folder, without the archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::pages::Items;
use super::video::{Video, path_segment};
use super::{concurrent, wait};
use crate::outcome::{Done, Failed, frames};
use crate::service::{Call, Service, ServiceArgs, ServiceError};
use crate::{interrupts, staging};

const MANIFEST: &str = "manifest.json";
/// Images that are fetched concurrently.
const CONCURRENT_IMAGES: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct FramesArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// The video's id
    id: String,
    /// Get the one frame that is on screen at TIME: 12.5s, 250ms
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Write the frames and the manifest into a folder, or the one frame to a file
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace files that exist
    #[arg(short, long)]
    force: bool,
}

impl FramesArgs {
    /// The server, and how answers are printed.
    pub(crate) fn service(&self) -> &ServiceArgs {
        &self.service
    }

    /// Fails if the file exists and may not be replaced.
    fn check_absent(&self, path: &Path) -> Result<(), Failed> {
        match !self.force && path.symlink_metadata().is_ok() {
            true => Err(anyhow!("{} exists; --force replaces it", path.display()).into()),
            false => Ok(()),
        }
    }
}

pub(crate) fn run(args: &FramesArgs) -> Result<Done, Failed> {
    let service = Service::open(&args.service)?;
    let id = path_segment(&args.id)?;
    match &args.at {
        Some(time) => one(&service, id, time, args),
        None => all(&service, id, args),
    }
}

fn one(service: &Service, id: &str, time: &str, args: &FramesArgs) -> Result<Done, Failed> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    if time.is_empty() || !time.chars().all(good) {
        return Err(Failed::Values(vec![format!("--at: {time:?} is no time such as 12.5s or 250ms")]));
    }
    interrupts::set_hint("nothing was written; run the command again");
    args.check_absent(&args.output)?;
    let mut file = staging::file(&args.output)?;
    let image = service.send(&Call::get(format!("/videos/{id}/frames/at/{time}")))?;
    let written = std::io::Write::write_all(file.as_file_mut(), image.bytes());
    written.with_context(|| args.output.display().to_string())?;
    staging::publish_file(file, &args.output, args.force)?;
    let (output, bytes) = (args.output.display().to_string(), image.bytes().len());
    let text = format!("1 frame in {output} ({})", indicatif::HumanBytes(bytes as u64));
    Ok(Done {
        text,
        json: json!({"id": id, "output": output, "frames": 1, "bytes": bytes}),
        warnings: Vec::new(),
    })
}

fn all(service: &Service, id: &str, args: &FramesArgs) -> Result<Done, Failed> {
    interrupts::set_hint("the same command goes on where it stopped");
    let video = wait::completed(Video::fetch(service, id)?)?;
    let Some(result) = &video.result else { return Err(anyhow!("{id} has no result").into()) };
    args.check_absent(&args.output.join(MANIFEST))?;
    let manifest = service.send(&Call::get(format!("/videos/{id}/manifest")))?;
    let images = manifest.json::<Manifest>()?.frames;
    let key: String = result.sha256.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    let folder = staging::kept_folder(&args.output, &key)?;
    let quiet = args.service.quiet || args.service.json;
    let bar = wait::bar(quiet, "{msg} {bar:30} {pos}/{len} frames {eta}", result.frames)?;
    let (written, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let items = Items::new(service, &format!("/videos/{id}/frames"), usize::MAX);
    let fetched = concurrent::for_each(CONCURRENT_IMAGES, items, |item| {
        let (image, url) = listed(service, &images, &item?)?;
        bytes.fetch_add(image.fetch(service, &url, &folder.path)?, Relaxed);
        written.fetch_add(1, Relaxed);
        bar.inc(1);
        Ok::<_, Failed>(())
    });
    bar.finish_and_clear();
    fetched?;
    let path = folder.path.join(MANIFEST);
    fs::write(&path, manifest.bytes()).with_context(|| path.display().to_string())?;
    staging::publish_folder(&folder.path, &args.output, MANIFEST, args.force)?;
    // Its files were moved into a folder that was there.
    let _ = fs::remove_dir(&folder.path);
    let (written, bytes) = (written.into_inner(), bytes.into_inner());
    let output = args.output.display().to_string();
    let text = format!("{} in {output} ({})", frames(written), indicatif::HumanBytes(bytes));
    let json: Value = json!({"id": id, "output": output, "frames": written, "bytes": bytes});
    Ok(Done { text, json, warnings: Vec::new() })
}

/// The part of the manifest that is needed here.
#[derive(Deserialize)]
struct Manifest {
    frames: Vec<Image>,
}

/// An image as the manifest describes it.
#[derive(Deserialize)]
struct Image {
    /// Its name in the archive.
    file: String,
    sha256: String,
}

/// The image and the link of an item of the list of frames.
fn listed<'a>(
    service: &Service,
    images: &'a [Image],
    item: &Value,
) -> Result<(&'a Image, String), ServiceError> {
    let find = || {
        let index = usize::try_from(item["n"].as_u64()?.checked_sub(1)?).ok()?;
        Some((images.get(index)?, item["url"].as_str()?.to_owned()))
    };
    find().ok_or_else(|| ServiceError::UnexpectedAnswer {
        server: service.server().to_owned(),
        answer: "with a frame that has no link or is not in the manifest".to_owned(),
    })
}

impl Image {
    /// Writes the image into the folder, unless an earlier command has done so. Returns its size.
    fn fetch(&self, service: &Service, url: &str, folder: &Path) -> Result<u64, Failed> {
        let is_whole = |bytes: &[u8]| hex::encode(Sha256::digest(bytes)) == self.sha256;
        // The manifest is untrusted: its names lead to no other folder.
        let name = Path::new(&self.file).file_name().context("the manifest names no file")?;
        let path = folder.join(name);
        if let Ok(kept) = fs::read(&path)
            && is_whole(&kept)
        {
            return Ok(kept.len() as u64);
        }
        // The link needs no token.
        let image = service.http().send(service.server(), &Call::get(url), None)?;
        if !is_whole(image.bytes()) {
            return Err(Failed::Video {
                code: "checksum-mismatch".to_owned(),
                message: format!("{} is damaged: its SHA-256 differs", self.file),
            });
        }
        fs::write(&path, image.bytes()).with_context(|| path.display().to_string())?;
        Ok(image.bytes().len() as u64)
    }
}
