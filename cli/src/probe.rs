//! `framelift probe`.

use anyhow::Context as _;
use framelift_media::{FileSource, HardwareUse};

use crate::args::ProbeArgs;
use crate::outcome::{Done, Failed};

pub(crate) fn run(args: &ProbeArgs) -> Result<Done, Failed> {
    let source = FileSource::open(&args.file).with_context(|| args.file.display().to_string())?;
    let engine = args.engine.start(HardwareUse::Never)?;
    let info = engine.probe(Box::new(source))?;
    let unknown = || "unknown".to_owned();
    let text = format!(
        "{} in {}, {}×{} pixels{}, {} s, {} frames a second{}{}{}",
        info.codec,
        info.container,
        info.shown_width,
        info.shown_height,
        if (info.shown_width, info.shown_height) == (info.width, info.height) {
            String::new()
        } else {
            format!(" (stored as {}×{})", info.width, info.height)
        },
        info.duration.map_or_else(unknown, |duration| format!("{:.3}", duration.to_f64())),
        info.frame_rate.map_or_else(unknown, |rate| format!("{:.3}", rate.to_f64())),
        if info.encrypted { ", encrypted" } else { "" },
        if info.decodable { "" } else { ", not decodable" },
        if let [_, _, ..] = info.streams[..] {
            let streams: Vec<_> = info.streams.iter().map(ToString::to_string).collect();
            format!("; stream {} of these: {}", info.stream, streams.join(", "))
        } else {
            String::new()
        },
    );
    let json = serde_json::to_value(&info).context("the description has no JSON form")?;
    Ok(Done { text, json, warnings: Vec::new() })
}
