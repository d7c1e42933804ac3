//! Describes the machine, and measures what is in use.

use std::path::Path;
use std::process::{Command, Stdio};

use framelift_media::hardware;

use crate::results::{Codec, Machine};

/// The machine that this runs on.
pub(crate) fn machine(ffmpeg: Option<&Path>) -> Machine {
    let info = hardware();
    let codecs = info.codecs.iter().map(|kind| Codec {
        codec: kind.codec.clone(),
        bits: kind.bits,
        problem: kind.problem.clone(),
    });
    Machine {
        gpu: info.device.clone(),
        driver: info.driver.clone().or_else(|| said_by_driver("driver_version")),
        problem: info.problem.clone(),
        codecs: codecs.collect(),
        cpu: cpu().unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        ffmpeg: ffmpeg.and_then(|ffmpeg| first_line(Command::new(ffmpeg).arg("-version"))),
    }
}

fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

/// The resources in use; `None` if unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InUse {
    /// MiB of the first GPU's memory, by all processes.
    pub(crate) gpu_mib: Option<i64>,
    /// Open files of this process.
    pub(crate) handles: Option<i64>,
    /// MiB of this process in memory.
    pub(crate) resident_mib: Option<i64>,
    pub(crate) threads: Option<i64>,
}

pub(crate) fn in_use() -> InUse {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<i64>().ok()
    };
    InUse {
        gpu_mib: said_by_driver("memory.used").and_then(|text| text.parse().ok()),
        handles: std::fs::read_dir("/proc/self/fd").ok().and_then(|files| i64::try_from(files.count()).ok()),
        resident_mib: number("VmRSS:").map(|kib| kib / 1024),
        threads: number("Threads:"),
    }
}

/// Asks `nvidia-smi`, which comes with the driver, about the first GPU.
fn said_by_driver(field: &str) -> Option<String> {
    let query = format!("--query-gpu={field}");
    first_line(Command::new("nvidia-smi").args([&query, "--format=csv,noheader,nounits", "--id=0"]))
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().filter(|_| output.status.success())?;
    Some(line.trim().to_owned())
}
