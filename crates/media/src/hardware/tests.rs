//! The way of a job over a GPU, on a decoder that is taken for one.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use framelift_domain::{Fit, Format, Place, Range, Rational, Resize, Select};

use super::probe::SAMPLES;
use super::*;
use crate::ffi::{StreamInfo, Threading};
use crate::watch::Watch;
use crate::{ExtractError, MemorySource, Outcome, Output, Request, extract, open};

thread_local! {
    /// Taken for the process's GPU by what runs on this thread.
    pub(super) static PRETENDED: Cell<Option<&'static Gpu>> = const { Cell::new(None) };
}

/// 132 frames of 1280×720 in H.264, with pictures out of order.
pub(super) fn video() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/media/big-buck-bunny-5s.mp4");
    std::fs::read(path).unwrap()
}

pub(super) fn with_input<T>(bytes: &[u8], work: impl FnOnce(Input<'_>) -> T) -> T {
    let limits = EngineLimits::default();
    let watch = Watch::new(&(), &limits);
    work(open::open(Box::new(MemorySource(Arc::from(bytes))), None, &limits, &watch).unwrap())
}

pub(super) fn info() -> StreamInfo {
    with_input(&video(), |input| input.info().clone())
}

pub(super) fn software(input: &Input<'_>, max_pixels: u64) -> Decoder {
    input.decoder(Processor::Cpu(1, Threading::OnePicture), max_pixels).unwrap()
}

fn pretend(open: Open) -> &'static Gpu {
    let codecs = SAMPLES.iter().map(|sample| HardwareCodec { problem: None, ..sample.kind() }).collect();
    let info = HardwareInfo { codecs, ..HardwareInfo::default() };
    let gpu: &'static Gpu =
        Box::leak(Box::new(Gpu { device: None, info, pool: Arc::new(Pool::default()), open }));
    PRETENDED.set(Some(gpu));
    gpu
}

/// Decodes in software, and is taken for a GPU.
fn works(input: &Input<'_>, _: Option<&Device>, max_pixels: u64) -> Result<Decoder, DecoderError> {
    Ok(software(input, max_pixels).pretend_on_gpu())
}

/// Images and everything that the manifest says but the plan.
fn run(bytes: &[u8], options: &Options, strategy: Option<Strategy>) -> (Vec<u8>, String, Outcome) {
    let result = try_run(bytes, options, strategy);
    let (archive, outcome) = result.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let (mut images, mut manifest) = (Vec::new(), String::new());
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).unwrap();
        if member.name().unwrap() == "manifest.json" {
            std::io::Read::read_to_string(&mut member, &mut manifest).unwrap();
        } else {
            std::io::Read::read_to_end(&mut member, &mut images).unwrap();
        }
    }
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["plan"], serde_json::to_value(&outcome.plan).unwrap());
    manifest["plan"].take();
    (images, manifest.to_string(), outcome)
}

fn try_run(
    bytes: &[u8],
    options: &Options,
    strategy: Option<Strategy>,
) -> Result<(Vec<u8>, Outcome), ExtractError> {
    let mut archive = Vec::new();
    let source = Box::new(MemorySource(Arc::from(bytes)));
    // FFmpeg's threads do not conceal damage in the same way each time.
    let limits = EngineLimits { strategy, threads: 1, ..EngineLimits::default() };
    let (limits, output) = (&limits, Output::zip(&mut archive));
    let request = Request { source, file_name: "video".to_owned(), options, limits, output, control: &() };
    let outcome = extract(request, Vec::new())?;
    Ok((archive, outcome))
}

fn small(select: Select) -> Options {
    let resize = Some(Resize { width: Some(160), height: None, fit: Fit::Contain });
    Options { select, resize, ..Options::default() }
}

fn every(num: i128, den: i128) -> Select {
    Select::Every(Rational::new(num, den).unwrap())
}

#[test]
fn wanted_frames_come_back_whole_and_in_order() {
    let gpu = pretend(works);
    let video = video();
    let last = Range { start: Place::Time(Rational::ZERO), end: Place::Time(Rational::whole(2)) };
    let selections = [
        small(Select::All),
        small(every(1, 3)),
        small(Select::Count(7)),
        small(Select::Count(1)),
        Options { range: last, ..small(every(1, 10)) },
    ];
    for options in &selections {
        let (images, manifest, outcome) = run(&video, options, Some(Strategy::Hardware));
        assert_eq!((outcome.plan.strategy, outcome.plan.decoder.as_str()), (Strategy::Hardware, "h264"));
        let (on_cpu, cpu_manifest, cpu_outcome) = run(&video, options, Some(Strategy::Sequential));
        assert_ne!(cpu_outcome.plan.strategy, Strategy::Hardware);
        assert!(manifest == cpu_manifest, "another manifest");
        assert!(images == on_cpu, "{:?}: other images", options.select);
    }
    assert_eq!(gpu.pool.counts(), (1, 1), "one decoder served all jobs");
}

#[test]
fn what_the_gpu_refuses_at_its_first_picture_is_decoded_on_the_cpu() {
    // FFmpeg's own refusal: there is no device behind it.
    let gpu = pretend(open_on);
    let options = small(every(1, 2));
    let (images, manifest, outcome) = run(&video(), &options, Some(Strategy::Hardware));
    let Plan { strategy, reason, decoder } = &outcome.plan;
    assert_ne!(*strategy, Strategy::Hardware);
    assert_eq!(decoder, "h264");
    assert!(
        reason.starts_with("the GPU's decoder was not used (") && reason.contains(", so the CPU decoded: "),
        "{reason}"
    );
    assert!(!reason.contains("(it "), "FFmpeg says why: {reason}");
    let (on_cpu, cpu_manifest, _) = run(&video(), &options, None);
    assert!(manifest == cpu_manifest, "another manifest");
    assert!(images == on_cpu, "other images");
    assert_eq!(gpu.pool.counts(), (0, 0), "a decoder that failed is not kept");
}

#[test]
fn where_the_gpu_fails_later_nothing_is_sent_twice_or_lost() {
    let gpu = pretend(works);
    let mut damaged = video();
    // The picture data of the last third; the index is at the front.
    let start = damaged.len() * 2 / 3;
    for byte in damaged.iter_mut().skip(start).step_by(97).take(2000) {
        *byte ^= 0x55;
    }
    let options = small(Select::All);
    let (images, manifest, outcome) = run(&damaged, &options, Some(Strategy::Hardware));
    assert!(outcome.plan.reason.starts_with("the GPU's decoder was not used ("), "{:?}", outcome.plan);
    let (on_cpu, cpu_manifest, cpu_outcome) = run(&damaged, &options, Some(Strategy::Sequential));
    assert!(!cpu_outcome.warnings.is_empty(), "the damage is met");
    assert!(manifest == cpu_manifest, "another manifest");
    assert!(images == on_cpu, "other images");
    assert_eq!(gpu.pool.counts(), (0, 0));
}

#[test]
fn the_cpu_is_chosen_where_a_gpu_would_lose() {
    let video = StreamInfo {
        width: 1920,
        height: 1080,
        claimed_duration: Some(Rational::whole(60)),
        frame_rate: Some(Rational::whole(30)),
        ..info()
    };
    let all = Options { select: Select::All, ..Options::default() };
    let each_second = Options { select: every(1, 1), ..Options::default() };
    let reason = worth::worth(&all, &video).unwrap();
    assert_eq!(
        reason,
        "every frame is wanted of about 1800 with 1920×1080 pixels, which is enough for a GPU to win"
    );
    assert!(worth::worth(&each_second, &video).unwrap().starts_with("a frame each 1.000 s is wanted"));
    let is_worth = |options: Options, video: &StreamInfo| worth::worth(&options, video).is_some();
    assert!(is_worth(Options { select: Select::Count(60), ..Options::default() }, &video));

    let half = Range { start: Place::Percent(Rational::whole(50)), ..Range::default() };
    let declined = [
        (Options { select: every(2, 1), ..Options::default() }, video.clone()),
        (Options { select: Select::Count(59), ..Options::default() }, video.clone()),
        (Options { select: Select::Keyframes, ..Options::default() }, video.clone()),
        (Options { tolerance: Rational::whole(1), ..each_second }, video.clone()),
        (Options { range: half, ..all.clone() }, video.clone()),
        (all.clone(), StreamInfo { width: 1278, height: 720, ..video.clone() }),
        (all.clone(), StreamInfo { claimed_duration: None, ..video.clone() }),
        (all.clone(), StreamInfo { frame_rate: None, ..video.clone() }),
    ];
    for (options, video) in declined {
        assert!(!is_worth(options.clone(), &video), "{:?}", options.select);
    }
    let range = Range { start: Place::Frame(300), end: Place::Frame(1500) };
    assert!(is_worth(Options { range, ..all }, &video));
}

#[test]
fn a_job_is_declined_with_the_reason() {
    let gpu = pretend(works);
    let limits = EngineLimits { strategy: Some(Strategy::Hardware), ..EngineLimits::default() };
    let options = Options { format: Format::Png, ..small(Select::All) };
    with_input(&video(), |input| {
        let slots: Vec<DecoderSlot> = (0..8).map(|_| gpu.decoder(&input, &limits).ok().unwrap()).collect();
        let GpuChoice::Declined(busy) = choose(&input, &options, &limits) else { panic!("it has a slot") };
        assert_eq!(busy, "all of its 8 decoders are in use");
        drop(slots);
        assert_eq!(gpu.pool.counts(), (8, 8));
        assert!(matches!(choose(&input, &options, &limits), GpuChoice::Decoder(..)));

        let never = EngineLimits { hardware: HardwareUse::Never, ..limits.clone() };
        assert!(matches!(choose(&input, &options, &never), GpuChoice::None));
        // Five seconds are too little for it to be taken by itself.
        let auto = EngineLimits { strategy: None, ..limits };
        assert!(matches!(choose(&input, &options, &auto), GpuChoice::None));
    });
}

#[test]
fn a_declined_plan_says_why() {
    let plan = Plan { strategy: Strategy::Sequential, reason: "because".into(), decoder: "h264".into() };
    assert_eq!(
        declined(plan, "it is busy").reason,
        "the GPU's decoder was not used (it is busy), so the CPU decoded: because"
    );
}
