//! `framelift plugin bench`: what a plugin costs, and which limit it is nearest to.

use std::time::Duration;

use framelift_media::Zip;
use framelift_plugin_host::{Metering, PluginLimits, Record};
use serde_json::json;

use super::BenchArgs;
use crate::outcome::{Done, Failed, frames};

pub(super) fn run(args: &BenchArgs) -> Result<Done, Failed> {
    let timed = measure(args, Metering::Time)?;
    let counted = measure(args, Metering::TimeAndFuel)?;
    let (usage, limits) = (timed.usage, PluginLimits::default());
    let each = |time: Duration| time / u32::try_from(usage.frames.max(1)).unwrap_or(u32::MAX);
    let fuel = counted.usage.frame_fuel / counted.usage.frames.max(1);
    let beside = usage.time.saturating_sub(usage.frame_time);
    let log_bytes: usize = timed.log.lines.iter().map(String::len).sum();
    let parts = [
        ("250 ms a call", usage.longest.as_secs_f64() / limits.call.as_secs_f64()),
        ("30 s a video", usage.time.as_secs_f64() / limits.video.as_secs_f64()),
        ("64 MiB of memory", usage.memory_bytes as f64 / limits.memory_bytes as f64),
        ("64 KiB of log", log_bytes as f64 / limits.log_bytes as f64),
    ];
    let nearest = parts.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or(parts[0]);
    let text = format!(
        "{}: {:.1?} and {fuel} instructions a frame, {beside:.1?} to start and finish, {:.1?} the longest call, \
         {:.1} MiB of memory; the nearest limit is {}: {:.1} % of it\n\
         with instructions counted: {:.1?} a frame",
        frames(usage.frames),
        each(usage.frame_time),
        usage.longest,
        usage.memory_bytes as f64 / 1_048_576.0,
        nearest.0,
        nearest.1 * 100.0,
        each(counted.usage.frame_time),
    );
    let json = json!({
        "frames": usage.frames,
        "microseconds_a_frame": each(usage.frame_time).as_micros() as u64,
        "microseconds_to_start_and_finish": beside.as_micros() as u64,
        "longest_microseconds": usage.longest.as_micros() as u64,
        "instructions_a_frame": fuel,
        "memory_bytes": usage.memory_bytes,
        "log_bytes": log_bytes,
        "nearest_limit": nearest.0,
        "part_of_limit": nearest.1,
        "microseconds_a_frame_counted": each(counted.usage.frame_time).as_micros() as u64,
    });
    Ok(Done { text, json, warnings: Vec::new() })
}

fn measure(args: &BenchArgs, metering: Metering) -> Result<Record, Failed> {
    let (engine, plugins) = args.work.prepare(metering)?;
    let extracted = args.work.extract(&args.input, &engine, &plugins, Box::new(Zip::new(std::io::sink())))?;
    Ok(extracted.plugins.into_iter().next().unwrap_or_default())
}
