//! Whole jobs on the GPU, on the CPU, and by `ffmpeg -hwaccel cuda`, round by round.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use framelift_contract::manifest::Strategy;
use framelift_domain::{Fit, Options, Range, Rational, Resize, Select};

use crate::checks::every;
use crate::clips::{Clip, Clips};
use crate::jobs::{ProcessorChoice, run};
use crate::results::Row;

/// More rounds hardly change a median.
const MAX_ROUNDS: usize = 7;

/// A job, and the filters by which `ffmpeg` does the same.
struct Job {
    name: &'static str,
    options: Options,
    filters: &'static str,
}

/// From dense to sparse, then from long to short, which shows what starting costs.
fn jobs() -> Vec<Job> {
    let small = Resize { width: Some(640), height: None, fit: Fit::Contain };
    let job =
        |name, select, filters| Job { name, options: Options { select, ..Options::default() }, filters };
    let mut all_small = job("every frame, 640 wide", Select::All, "scale_cuda=640:-2,hwdownload,format=nv12");
    all_small.options.resize = Some(small);
    let mut jobs = vec![
        job("every frame", Select::All, "hwdownload,format=nv12"),
        job("every 0.2 s", every(1, 5), "fps=5,hwdownload,format=nv12"),
        job("every 0.5 s", every(1, 2), "fps=2,hwdownload,format=nv12"),
        job("every 1 s", every(1, 1), "fps=1,hwdownload,format=nv12"),
        job("every 2 s", every(2, 1), "fps=1/2,hwdownload,format=nv12"),
    ];
    for (name, seconds) in [("first 1 s, 640 wide", 1), ("first 3 s, 640 wide", 3)] {
        let end = framelift_domain::Place::Time(Rational::whole(seconds));
        let range = Range { end, ..Options::default().range };
        let options = Options { range, ..all_small.options.clone() };
        jobs.push(Job { name, options, filters: "" });
    }
    jobs.insert(1, all_small);
    jobs
}

/// Seconds of the rounds of one job of one clip.
struct Times<'a> {
    clip: &'a Clip,
    job: &'a Job,
    frames: u64,
    chosen: String,
    gpu: Vec<f64>,
    cpu: Vec<f64>,
    ffmpeg: Vec<f64>,
}

impl Times<'_> {
    fn row(&self) -> Row {
        Row {
            clip: self.clip.name.clone(),
            job: self.job.name,
            frames: self.frames,
            rounds: self.gpu.len(),
            gpu_seconds: median(&self.gpu),
            cpu_seconds: median(&self.cpu),
            ffmpeg_seconds: (!self.ffmpeg.is_empty()).then(|| median(&self.ffmpeg)),
            chosen: self.chosen.clone(),
        }
    }
}

/// Measures until `end`, in whole rounds; the results are reported to `rows` after each round.
pub(crate) fn measure(
    clips: &Clips,
    ffmpeg: Option<&Path>,
    end: Instant,
    told: &mut dyn FnMut(Vec<Row>) -> Result<(), String>,
) -> Result<(), String> {
    let jobs = jobs();
    let mut all: Vec<Times<'_>> = Vec::new();
    for clip in &clips.measure {
        // A clip of a kind that the GPU does not decode says so in the checks.
        let first = run(clip, &jobs[0].options, ProcessorChoice::Gpu, std::io::sink())?;
        if first.plan.strategy != Strategy::Hardware {
            continue;
        }
        for job in &jobs {
            let auto = run(clip, &job.options, ProcessorChoice::Auto, std::io::sink())?;
            let chosen = if auto.plan.strategy == Strategy::Hardware { "GPU" } else { "CPU" }.to_owned();
            let (frames, nothing) = (auto.frames, Vec::new);
            all.push(Times { clip, job, frames, chosen, gpu: nothing(), cpu: nothing(), ffmpeg: nothing() });
        }
    }
    for _ in 0..MAX_ROUNDS {
        for times in &mut all {
            if Instant::now() >= end {
                return Ok(());
            }
            let timed = |processor| {
                let started = Instant::now();
                run(times.clip, &times.job.options, processor, std::io::sink())?;
                Ok::<_, String>(started.elapsed().as_secs_f64())
            };
            times.gpu.push(timed(ProcessorChoice::Gpu)?);
            times.cpu.push(timed(ProcessorChoice::Cpu)?);
            if let Some(ffmpeg) = ffmpeg.filter(|_| !times.job.filters.is_empty()) {
                times.ffmpeg.extend(by_ffmpeg(ffmpeg, times.clip, times.job)?);
            }
        }
        told(all.iter().map(Times::row).collect())?;
    }
    Ok(())
}

/// The same job by `ffmpeg`, with the arguments of an experienced user; `None` if it fails.
fn by_ffmpeg(ffmpeg: &Path, clip: &Clip, job: &Job) -> Result<Option<f64>, String> {
    let folder = std::env::temp_dir().join(format!("framelift-gpu-kit-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let started = Instant::now();
    let status = Command::new(ffmpeg)
        .args(["-v", "error", "-nostdin", "-y", "-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-i"])
        .arg(&clip.path)
        .args(["-vf", job.filters, "-fps_mode", "vfr", "-q:v", "2"])
        .arg(folder.join("%06d.jpg"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run {}: {error}", ffmpeg.display()))?;
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    Ok(status.success().then_some(seconds))
}

/// The middle value, or the mean of both; 0 of none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < 1e-9);
    }
}
