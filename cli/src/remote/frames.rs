//! `framelift frames`: single frames of a finished video, or all of them into a folder, without the archive.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::video::{Video, path_segment};
use super::wait;
use crate::outcome::{Done, Failed, frames};
use crate::service::{Call, Service, ServiceArgs, ServiceError, interrupts};
use crate::staging;

const MANIFEST: &str = "manifest.json";

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
}

pub(crate) fn run(args: &FramesArgs) -> Result<Done, Failed> {
    interrupts::exit_on_signal("nothing was written; run the command again")?;
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
    let image = service.send(&Call::get(format!("/videos/{id}/frames/at/{time}")))?;
    let mut file = staging::file(&args.output)?;
    write(file.as_file_mut(), image.bytes(), &args.output)?;
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
    let video = wait::completed(Video::fetch(service, id)?)?;
    let format = video.raw["options"]["format"].as_str();
    let extension = ["png", "webp", "avif"].into_iter().find(|known| format == Some(known)).unwrap_or("jpg");
    let count = video.result.as_ref().map_or(0, |result| result.frames);
    let bar =
        wait::bar(args.service.quiet || args.service.json, "{msg} {bar:30} {pos}/{len} frames {eta}", count)?;
    let folder = staging::folder(&args.output)?;
    let (mut written, mut bytes, mut cursor) = (0_u64, 0_u64, String::new());
    loop {
        let page = service.get(&format!("/videos/{id}/frames?limit=100{cursor}"))?;
        for item in page["items"].as_array().into_iter().flatten() {
            let unexpected = || ServiceError::UnexpectedAnswer {
                server: service.server().to_owned(),
                answer: "a frame without a number or a URL".to_owned(),
            };
            let (number, url) = item["n"].as_u64().zip(item["url"].as_str()).ok_or_else(unexpected)?;
            // The link needs no token.
            let image = service.http().send(service.server(), &Call::get(url), None)?;
            let path = folder.path().join(format!("frame_{number:06}.{extension}"));
            write(&mut std::fs::File::create(&path).context("the folder")?, image.bytes(), &path)?;
            (written, bytes) = (written + 1, bytes + image.bytes().len() as u64);
            bar.inc(1);
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor =
            format!("&cursor={}", url::form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>());
    }
    bar.finish_and_clear();
    let manifest = service.send(&Call::get(format!("/videos/{id}/manifest")))?;
    let path = folder.path().join(MANIFEST);
    write(&mut std::fs::File::create(&path).context("the folder")?, manifest.bytes(), &path)?;
    staging::publish_folder(folder, &args.output, MANIFEST, args.force)?;
    let output = args.output.display().to_string();
    let text = format!("{} in {output} ({})", frames(written), indicatif::HumanBytes(bytes));
    let json: Value = json!({"id": id, "output": output, "frames": written, "bytes": bytes});
    Ok(Done { text, json, warnings: Vec::new() })
}

fn write(file: &mut std::fs::File, bytes: &[u8], path: &Path) -> Result<(), Failed> {
    Ok(std::io::Write::write_all(file, bytes).with_context(|| path.display().to_string())?)
}
