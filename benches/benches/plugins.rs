//! Measures frame plugins: the call of one that does nothing, for each language with a template, and each built-in
//! plugin against the `ffmpeg` program with an equivalent filter.
//!
//! `cargo xtask bench plugins` builds the components that do nothing and names their folder in
//! `FRAMELIFT_BENCH_PLUGINS`. Times are wall times, measured in turns; of several rounds the median counts.

#![expect(clippy::print_stdout, reason = "the report")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use framelift_domain::{Options, Select};
use framelift_media::{EngineLimits, FileSource, Files, HardwareUse, Output, Request};
use framelift_plugin_host::{Metering, PluginRun, built_in};
use framelift_sandbox::{CompileLimits, Engine, Extracted};

/// Measured rounds, after one to warm up.
const ROUNDS: usize = 5;
/// Seconds of video, of 30 frames each.
const SECONDS: u32 = 4;

/// A plugin that comes with the product, and FFmpeg's arguments for about the same.
struct Case {
    /// What is measured.
    shown: &'static str,
    plugin: &'static str,
    config: String,
    /// Further inputs and filters.
    filter: Vec<String>,
}

/// The cases. `logo` is a PNG file.
fn cases(logo: &Path) -> Vec<Case> {
    let case = |shown: &'static str, config: &str, filter: &[&str]| {
        let plugin = shown.split(' ').next().unwrap_or(shown);
        Case {
            shown,
            plugin,
            config: config.to_owned(),
            filter: filter.iter().map(|&it| it.to_owned()).collect(),
        }
    };
    let png = STANDARD.encode(std::fs::read(logo).expect("the logo is there"));
    vec![
        case("grayscale", "{}", &["-vf", "hue=s=0"]),
        case(
            "watermark text",
            r#"{"text": "draft", "size": 54}"#,
            &["-vf", "drawtext=text=draft:fontsize=54:fontcolor=white@0.5:x=w-tw-16:y=h-th-16"],
        ),
        case(
            "watermark png",
            &format!(r#"{{"png": "{png}", "opacity": 0.5}}"#),
            &[
                "-i",
                &logo.display().to_string(),
                "-filter_complex",
                "[1]format=rgba,colorchannelmixer=aa=0.5[l];[0][l]overlay=W-w-16:H-h-16",
            ],
        ),
        case(
            "redact blur",
            r#"{"areas": [{"x": 100, "y": 100, "width": 400, "height": 300, "sigma": 20}]}"#,
            &["-vf", "split[a][b];[b]crop=400:300:100:100,gblur=sigma=20[c];[a][c]overlay=100:100"],
        ),
        case(
            "redact fill",
            r#"{"areas": [{"x": 100, "y": 100, "width": 400, "height": 300, "mode": "fill"}]}"#,
            &["-vf", "drawbox=x=100:y=100:w=400:h=300:color=black:t=fill"],
        ),
        // On a clip in which each picture is shown three times.
        case("dedupe", r#"{"distance": 0}"#, &["-vf", "mpdecimate", "-fps_mode", "vfr"]),
        case("sharpest", r#"{"window": 5}"#, &["-vf", "thumbnail=n=5", "-fps_mode", "vfr"]),
    ]
}

fn main() -> ExitCode {
    // Of `cargo bench`.
    let quick = std::env::args().any(|argument| argument == "--test");
    let rounds = if quick { 1 } else { ROUNDS };
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let video = clip(folder.path());
    let nothing = Run { folder: folder.path().join("frames"), video, engine: Engine::InProcess };
    let plain = || nothing.extract(&[]).0;
    println!("plugins that do nothing, on frames of 1920x1080:");
    for (language, component) in components() {
        let plugin = nothing.plugin(&language, &component, "{}");
        let mut pairs = Vec::new();
        for _ in 0..=rounds {
            let without = plain();
            let (with, extracted) = nothing.extract(std::slice::from_ref(&plugin));
            let usage = extracted.plugins[0].usage;
            // Starting and finishing it is not a part of a call.
            let call = usage.frame_time / u32::try_from(usage.frames).expect("a short video");
            pairs.push((
                with.as_secs_f64() / without.as_secs_f64(),
                call,
                usage.time.as_secs_f64() / with.as_secs_f64(),
            ));
        }
        let (ratio, call, share) = (
            median(pairs[1..].iter().map(|it| it.0)),
            median(pairs[1..].iter().map(|it| it.1.as_secs_f64() * 1e6)),
            median(pairs[1..].iter().map(|it| it.2 * 100.0)),
        );
        println!(
            "  {language:<8} {call:>8.1} µs a call, {share:.2} % of the job; with it {ratio:.3} of the time"
        );
    }
    println!(
        "plugins that come with the product, against ffmpeg with a filter (ratios: less is faster than ffmpeg):"
    );
    let repeating =
        Run { video: repeating(folder.path()), folder: nothing.folder.clone(), engine: Engine::InProcess };
    for Case { shown, plugin, config, filter } in cases(&logo(folder.path())) {
        let run = if plugin == "dedupe" { &repeating } else { &nothing };
        let component = built_in(plugin).expect("it comes with the product");
        let plugin = run.plugin(plugin, component, &config);
        let mut times = Vec::new();
        let (mut frames, mut peer_frames) = (0, 0);
        for _ in 0..=rounds {
            let (with, extracted) = run.extract(std::slice::from_ref(&plugin));
            frames = extracted.outcome.frames;
            let (without, peer_without) = (run.extract(&[]).0, run.ffmpeg(&[]));
            let peer = run.ffmpeg(&filter);
            peer_frames = run.written();
            times.push((without, with, peer_without, peer));
        }
        let of = |part: fn(&(Duration, Duration, Duration, Duration)) -> Duration| {
            median(times[1..].iter().map(|it| part(it).as_secs_f64()))
        };
        let (without, with, peer_without, peer) =
            (of(|it| it.0), of(|it| it.1), of(|it| it.2), of(|it| it.3));
        println!(
            "  {shown:<14} {:.2}: {with:.2} s against {peer:.2} s ({without:.2} s and {peer_without:.2} s without it), \
             {frames} and {peer_frames} frames",
            with / peer
        );
        assert_eq!(frames, peer_frames, "{shown}: both do the same only where they keep equally many");
    }
    ExitCode::SUCCESS
}

/// The components that do nothing, by their language.
fn components() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = std::env::var_os("FRAMELIFT_BENCH_PLUGINS").map(PathBuf::from) else {
        println!("  none: `cargo xtask bench plugins` builds them");
        return Vec::new();
    };
    let read = |language: &str| {
        let path = folder.join(format!("{language}.wasm"));
        (
            language.to_owned(),
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        )
    };
    ["rust", "python", "js"].map(read).into()
}

/// A video that is cheap to decode, so that decoding does not hide the cost of plugins.
fn clip(folder: &Path) -> PathBuf {
    let source = format!("testsrc2=size=1920x1080:rate=30:duration={SECONDS}");
    made(folder.join("clip.mp4"), &source, &["-c:v", "libx264", "-preset", "ultrafast"])
}

/// A video of the same length and size in which each picture is shown three times, without loss. 8 by 8 fields change
/// their shades each in its own way, so that neither a hash nor a difference takes two pictures for one.
fn repeating(folder: &Path) -> PathBuf {
    let shade = "40+30*mod(floor(T*10+0.5)*(1+floor(X/12)+8*floor(Y/7))\\,7)";
    let source = format!(
        "nullsrc=size=96x56:rate=10:duration={SECONDS},geq=lum='{shade}':cb=128:cr=128,\
         scale=1920:1080:flags=neighbor,fps=30"
    );
    made(folder.join("repeating.mp4"), &source, &["-c:v", "libx264", "-preset", "ultrafast", "-qp", "0"])
}

/// A picture with transparent parts.
fn logo(folder: &Path) -> PathBuf {
    let source = "color=red@0.7:size=320x160,format=rgba,drawbox=x=40:y=40:w=240:h=80:color=white:t=fill";
    made(folder.join("logo.png"), source, &["-frames:v", "1"])
}

fn made(path: PathBuf, source: &str, arguments: &[&str]) -> PathBuf {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", source]).args(arguments).arg(&path);
    assert!(ffmpeg.status().expect("ffmpeg is installed").success(), "ffmpeg makes {}", path.display());
    path
}

/// A measured extraction.
struct Run {
    folder: PathBuf,
    video: PathBuf,
    engine: Engine,
}

impl Run {
    fn plugin(&self, name: &str, component: &[u8], config: &str) -> PluginRun {
        let compiled = self.engine.compile(name, component, &CompileLimits::default(), Metering::Time, &());
        let compiled = Arc::new(compiled.expect("it is a plugin"));
        PluginRun { name: name.to_owned(), version: "0".to_owned(), config: config.to_owned(), compiled }
    }

    fn emptied(&self) -> &Path {
        let _ = std::fs::remove_dir_all(&self.folder);
        std::fs::create_dir(&self.folder).expect("a folder for the frames");
        &self.folder
    }

    /// How many images were written.
    fn written(&self) -> u64 {
        let images = std::fs::read_dir(&self.folder).expect("the folder for the frames").flatten();
        images.filter(|image| image.path().extension().is_some_and(|it| it == "jpg")).count() as u64
    }

    /// Extracts every frame as JPEG.
    fn extract(&self, plugins: &[PluginRun]) -> (Duration, Extracted) {
        let options = Options { select: Select::All, ..Options::default() };
        let limits = EngineLimits { hardware: HardwareUse::Never, ..EngineLimits::default() };
        let request = Request {
            source: Box::new(FileSource::open(&self.video).expect("the video is there")),
            file_name: "clip.mp4".to_owned(),
            options: &options,
            limits: &limits,
            output: Output::new(Files::new(self.emptied())),
            control: &(),
        };
        let began = Instant::now();
        let done = self.engine.extract(request, plugins);
        (began.elapsed(), done.expect("the video is good, and the plugins work"))
    }

    /// The same by FFmpeg's program.
    fn ffmpeg(&self, filter: &[String]) -> Duration {
        let frames = self.emptied().join("%06d.jpg");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(&self.video).args(filter).args(["-q:v", "3"]).arg(frames);
        ffmpeg.stdin(Stdio::null());
        let began = Instant::now();
        let status = ffmpeg.status().expect("ffmpeg is installed");
        let took = began.elapsed();
        assert!(status.success(), "ffmpeg {filter:?}");
        took
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
