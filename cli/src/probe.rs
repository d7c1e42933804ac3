//! `framelift probe`.

use anyhow::Context as _;
use framelift_media::{FileSource, HardwareUse};

use crate::args::ProbeArgs;
use crate::outcome::{Done, Failed};

pub(crate) fn run(args: &ProbeArgs) -> Result<Done, Failed> {
    let source = FileSource::open(&args.file).with_context(|| args.file.display().to_string())?;
    let engine = args.engine.start(HardwareUse::Never)?;
    let info = engine.probe(Box::new(source))?;
    let (stored, shown) = (info.width.zip(info.height), info.shown_width.zip(info.shown_height));
    let text = format!(
        "{} in {}, {}{}, {}, {}{}{}{}",
        info.codec,
        info.container,
        shown.map_or_else(|| "unknown size".to_owned(), |(width, height)| format!("{width}×{height} pixels")),
        match stored {
            Some((width, height)) if stored != shown => format!(" (stored as {width}×{height})"),
            _ => String::new(),
        },
        info.duration
            .map_or_else(|| "unknown duration".to_owned(), |duration| format!("{:.3} s", duration.to_f64())),
        info.frame_rate.map_or_else(
            || "unknown frame rate".to_owned(),
            |rate| format!("{:.3} frames a second", rate.to_f64())
        ),
        if info.encrypted { ", encrypted" } else { "" },
        if info.decodable { "" } else { ", not decodable" },
        if let [_, _, ..] = info.streams[..] {
            let streams: Vec<_> = info.streams.iter().map(ToString::to_string).collect();
            format!("; stream {} of these: {}", info.stream, streams.join(", "))
        } else {
            String::new()
        },
    );
    let json = serde_json::to_value(&info).context("cannot serialize the description")?;
    Ok(Done { text, json, warnings: Vec::new() })
}
