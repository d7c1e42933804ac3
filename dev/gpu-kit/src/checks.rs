//! The checks of decoding on a GPU.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use framelift_contract::manifest::Strategy;
use framelift_domain::{Checksum, Fit, Format, Options, Rational, Resize, Select};
use framelift_media::hardware;

use crate::clips::{Clip, Clips};
use crate::device::{InUse, in_use};
use crate::jobs::{Archive, ProcessorChoice, run_on_gpu};
use crate::results::Check;

/// The least PSNR of a frame from the GPU against the CPU's, in dB.
const MIN_PSNR_DB: f64 = 45.0;
/// The number of consecutive jobs that must not leak.
const JOBS: usize = 200;
/// How many of them fill pools and caches.
const WARM_UP: usize = 20;
/// MiB of the GPU's memory that other programs may allocate meanwhile.
const OTHER_PROGRAMS_MIB: i64 = 32;
/// MiB that the allocator may keep.
const ALLOCATOR_MIB: i64 = 64;

/// What the checks work with.
pub(crate) struct Kit {
    pub(crate) clips: Clips,
    /// How this program is started once more.
    pub(crate) program: PathBuf,
}

/// A check's name, and what it does.
pub(crate) struct NamedCheck(&'static str, fn(&Kit, &mut Check));

/// All of them, the shortest first.
pub(crate) const ALL: &[NamedCheck] = &[
    NamedCheck("the driver decodes", driver),
    NamedCheck("frames of GPU and CPU are the same", frames),
    NamedCheck("what the GPU refuses, the CPU decodes", fallbacks),
    NamedCheck("a job killed in mid-decode leaves nothing on the GPU", killed),
    NamedCheck("four jobs at once", four_at_once),
    NamedCheck("many jobs in a row leave nothing behind", in_a_row),
];

impl NamedCheck {
    pub(crate) fn run(&self, kit: &Kit) -> Check {
        let mut check = Check::named(self.0);
        match &hardware().problem {
            Some(problem) => check.skipped.push(problem.clone()),
            None => self.1(kit, &mut check),
        }
        check
    }
}

fn driver(_: &Kit, check: &mut Check) {
    for kind in &hardware().codecs {
        let name = format!("{} with {} bits", kind.codec, kind.bits);
        match &kind.problem {
            None => check.seen.push(name),
            Some(problem) => check.skipped.push(format!("{name}: {problem}")),
        }
    }
}

/// The selections that are compared.
fn selections() -> [(&'static str, Options); 4] {
    let png = Options { format: Format::Png, ..Options::default() };
    let small = Resize { width: Some(32), height: None, fit: Fit::Contain };
    [
        ("all", Options { select: Select::All, ..png.clone() }),
        ("every 0.1 s, small", Options { select: every(1, 10), resize: Some(small), ..png.clone() }),
        ("every 0.5 s", Options { select: every(1, 2), ..png.clone() }),
        ("count 3", Options { select: Select::Count(3), ..png }),
    ]
}

pub(crate) fn every(num: i128, den: i128) -> Select {
    Select::Every(Rational::new(num, den).unwrap_or(Rational::ZERO))
}

fn frames(kit: &Kit, check: &mut Check) {
    for clip in &kit.clips.check {
        if let Some(problem) = refused(clip) {
            check.skipped.push(format!("{}: {problem}", clip.name));
            continue;
        }
        for (name, options) in selections() {
            check.take(compare(clip, &options).map(|seen| format!("{}, {name}: {seen}", clip.name)));
        }
    }
}

/// Why the GPU does not decode a clip, whose name says its codec and depth.
fn refused(clip: &Clip) -> Option<String> {
    let kind = hardware().codecs.iter().find(|kind| format!("{}-{}", kind.codec, kind.bits) == clip.name);
    kind.map_or_else(|| Some("no kind that is tried".to_owned()), |kind| kind.problem.clone())
}

/// Whether GPU and CPU give the same frames at the same times; how close the furthest is.
fn compare(clip: &Clip, options: &Options) -> Result<String, String> {
    let mut gpu = Archive::of(clip, options, ProcessorChoice::Gpu)?;
    let plan = &gpu.outcome.plan;
    if plan.strategy != Strategy::Hardware {
        return Err(format!("{}: the GPU was not used: {}", clip.name, plan.reason));
    }
    let mut cpu = Archive::of(clip, options, ProcessorChoice::Cpu)?;
    let times = |archive: &Archive| -> Vec<(i64, String, bool)> {
        let frames = archive.manifest.frames.iter();
        frames.map(|frame| (frame.pts, frame.time.clone(), frame.keyframe)).collect()
    };
    if times(&gpu) != times(&cpu) {
        return Err(format!("{}: the frames have other times than the CPU's", clip.name));
    }
    let mut furthest = f64::INFINITY;
    for index in 0..gpu.manifest.frames.len() {
        let close = psnr(&gpu.pixels(index)?, &cpu.pixels(index)?)
            .ok_or_else(|| format!("{}: frame {index} has another size than the CPU's", clip.name))?;
        if close < MIN_PSNR_DB {
            return Err(format!("{}: frame {index} has {close:.1} dB", clip.name));
        }
        furthest = furthest.min(close);
    }
    Ok(format!("{} frames, at least {furthest:.1} dB", gpu.manifest.frames.len()))
}

/// Peak signal-to-noise ratio of 8-bit samples, in dB, at most 108; `None` for different lengths.
fn psnr(one: &[u8], other: &[u8]) -> Option<f64> {
    let squares: f64 = one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    let error = (squares / one.len() as f64).max(1e-6);
    (one.len() == other.len()).then(|| 10.0 * (255.0 * 255.0 / error).log10())
}

/// For odd sizes, other chroma and damage the archive must be the CPU's, and the plan must say why.
fn fallbacks(kit: &Kit, check: &mut Check) {
    for clip in &kit.clips.fallback {
        let options = Options { select: Select::All, format: Format::Png, ..Options::default() };
        let outcome = || {
            let (gpu, cpu) = (
                Archive::of(clip, &options, ProcessorChoice::Gpu)?,
                Archive::of(clip, &options, ProcessorChoice::Cpu)?,
            );
            let hashes = |archive: &Archive| -> Vec<Checksum> {
                archive.manifest.frames.iter().map(|frame| frame.sha256).collect()
            };
            if gpu.outcome.plan.strategy == Strategy::Hardware {
                return Err(format!("{}: the GPU decoded it, which it should not", clip.name));
            }
            if hashes(&gpu) != hashes(&cpu) {
                return Err(format!("{}: the frames are not the CPU's", clip.name));
            }
            Ok(format!("{}: {}", clip.name, gpu.outcome.plan.reason))
        };
        check.take(outcome());
    }
}

/// Frames of a clip, small: little but decoding.
fn small() -> Options {
    let resize = Resize { width: Some(320), height: None, fit: Fit::Contain };
    Options { select: Select::All, resize: Some(resize), ..Options::default() }
}

fn killed(kit: &Kit, check: &mut Check) {
    let Some(clip) = kit.clips.usual() else { return };
    let outcome = || {
        run_on_gpu(clip, &small())?;
        let before = in_use();
        let mut child = Command::new(&kit.program)
            .arg("--decode-forever")
            .arg(&clip.path)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start a second process: {error}"))?;
        // It prints a line after each job; the next job is running then.
        let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let jobs = lines.take(2).filter(Result::is_ok).count();
        let during = in_use();
        child.kill().and_then(|()| child.wait()).map_err(|error| format!("cannot kill it: {error}"))?;
        if jobs < 2 {
            return Err("the process that was to be killed could not decode".to_owned());
        }
        // The driver takes a moment to clear up.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut after = in_use();
        while grown(before.gpu_mib, after.gpu_mib) > OTHER_PROGRAMS_MIB && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(200));
            after = in_use();
        }
        run_on_gpu(clip, &small())?;
        let used = |moment: &InUse| moment.gpu_mib.map_or_else(|| "?".to_owned(), |mib| mib.to_string());
        let seen =
            format!("{} MiB before, {} while it ran, {} after", used(&before), used(&during), used(&after));
        if grown(before.gpu_mib, after.gpu_mib) > OTHER_PROGRAMS_MIB { Err(seen) } else { Ok(seen) }
    };
    check.take(outcome());
}

/// Decodes on the GPU until it is killed.
pub(crate) fn decode_forever(path: &Path) -> Result<bool, String> {
    let folder = path.parent().ok_or("a clip lies in a folder")?;
    let clips = Clips::read(folder)?;
    let clip = clips.measure.iter().find(|clip| clip.path == path).ok_or("no such clip")?;
    loop {
        run_on_gpu(clip, &small())?;
        println!("decoded");
    }
}

fn four_at_once(kit: &Kit, check: &mut Check) {
    let Some(clip) = kit.clips.usual() else { return };
    let hashes = |archive: &Archive| -> Vec<Checksum> {
        archive.manifest.frames.iter().map(|frame| frame.sha256).collect()
    };
    let outcome = || {
        let alone = Archive::of(clip, &small(), ProcessorChoice::Gpu)?;
        let jobs: Vec<Result<Archive, String>> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Archive::of(clip, &small(), ProcessorChoice::Gpu))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|job| job.unwrap_or_else(|_| Err("a job's thread panicked".to_owned()))).collect()
        });
        let mut on_gpu = 0;
        for job in jobs {
            let job = job?;
            if job.outcome.plan.strategy == Strategy::Hardware {
                on_gpu += 1;
                if hashes(&job) != hashes(&alone) {
                    return Err("one of them has other frames than a job alone".to_owned());
                }
            }
        }
        if on_gpu == 0 {
            Err("none of them got the GPU".to_owned())
        } else {
            Ok(format!("{on_gpu} got the GPU"))
        }
    };
    check.take(outcome());
}

fn in_a_row(kit: &Kit, check: &mut Check) {
    let Some(clip) = kit.clips.check.iter().find(|clip| refused(clip).is_none()) else {
        check.skipped.push("no small clip that the GPU decodes".to_owned());
        return;
    };
    let options = Options { select: every(1, 5), ..Options::default() };
    let outcome = || {
        let jobs = |count| (0..count).try_for_each(|_| run_on_gpu(clip, &options));
        jobs(WARM_UP)?;
        let before = in_use();
        jobs(JOBS - WARM_UP)?;
        let after = in_use();
        let parts = [
            ("GPU MiB", before.gpu_mib, after.gpu_mib, OTHER_PROGRAMS_MIB),
            ("open files", before.handles, after.handles, 0),
            ("threads", before.threads, after.threads, 0),
            ("resident MiB", before.resident_mib, after.resident_mib, ALLOCATOR_MIB),
        ];
        let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let said = |(name, before, after, _): &(&str, Option<i64>, Option<i64>, i64)| {
            format!("{name} {} then {}", number(*before), number(*after))
        };
        let seen = parts.iter().map(said).collect::<Vec<_>>().join(", ");
        let leaks = parts.iter().any(|(_, before, after, most)| grown(*before, *after) > *most);
        if leaks { Err(seen) } else { Ok(format!("{JOBS} jobs: {seen}")) }
    };
    check.take(outcome());
}

fn grown(before: Option<i64>, after: Option<i64>) -> i64 {
    after.zip(before).map_or(0, |(after, before)| after - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_samples_are_closest_and_lengths_must_agree() {
        assert!(psnr(&[1, 2, 3], &[1, 2, 3]).unwrap() > 100.0);
        assert!((psnr(&[0; 4], &[255; 4]).unwrap()).abs() < 1e-9);
        assert!(psnr(&[1, 2, 3], &[1, 2]).is_none());
    }

    #[test]
    fn what_nobody_tells_has_not_grown() {
        assert_eq!((grown(None, Some(5)), grown(Some(5), Some(7))), (0, 2));
    }
}
