//! Frames of a video in an object store that takes 30 ms to answer: the worker's source, which reads only what is
//! wanted and several ranges at once, against ffmpeg on a presigned URL of the same object, in turns.
//!
//! Prints ratios of wall time (above 1 the worker's source is faster): the median of the rounds, the smallest and the
//! largest; and the requests of each.

#![expect(clippy::print_stdout, reason = "the report")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use framelift_benches::CARS;
use framelift_dev_faults::{Fault, Faults, Rule, Seen};
use framelift_dev_s3::{S3Config, S3Server};
use framelift_domain::{Options, Rational, Select};
use framelift_media::{EngineLimits, HardwareUse, Output, Request, extract};
use tokio::runtime::Runtime;

/// Rounds that count; one more warms up.
const ROUNDS: usize = 5;
/// From a request's arrival to its answer, as of a store in the same region.
const LATENCY: Duration = Duration::from_millis(30);
/// Half an hour: the sample is repeated to this length.
const SECONDS: u32 = 1800;
/// What a worker keeps of an upload in memory by default.
const READ_BUFFER: u64 = 16 << 20;
const BUCKET: &str = "uploads";
const KEY: &str = "video.mp4";

fn main() -> ExitCode {
    // Of `cargo bench`.
    let quick = std::env::args().any(|argument| argument == "--test");
    let rounds = if quick { 1 } else { ROUNDS };
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let video = video(folder.path());
    let runtime = Runtime::new().expect("a runtime");
    let store = runtime.block_on(Store::start(folder.path(), &video));
    for (name, number) in [("1 frame a minute", SECONDS / 60), ("1 frame in 6 s", SECONDS / 6)] {
        let period = SECONDS / number;
        let mut times = Vec::new();
        let mut requests = [0, 0, 0];
        let mut received = 0;
        for _ in 0..=rounds {
            let counted = |run: &mut dyn FnMut()| {
                let (before, began) = (store.gets.requests(), Instant::now());
                run();
                (began.elapsed().as_secs_f64(), store.gets.requests() - before)
            };
            let ours = counted(&mut || received = store.extract(&runtime, period));
            let each = counted(&mut || store.ffmpeg_each(folder.path(), period));
            let whole = counted(&mut || store.ffmpeg(folder.path(), period));
            times.push([each.0 / ours.0, whole.0 / ours.0, ours.0]);
            requests = [ours.1, each.1, whole.1];
        }
        let of = |index: usize| {
            let mut all: Vec<f64> = times[1..].iter().map(|round| round[index]).collect();
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], all[0], all[all.len() - 1])
        };
        let size = std::fs::metadata(&video).expect("it was made").len();
        println!(
            "{name}, {number} frames: {:.2} s, {} requests, {:.1} % of the object",
            of(2).0,
            requests[0],
            received as f64 * 100.0 / size as f64
        );
        for (peer, index) in [("ffmpeg -ss for each", 0), ("ffmpeg, whole", 1)] {
            let (median, least, most) = of(index);
            println!("  {peer:<20} {median:.2} ({least:.2} to {most:.2}), {} requests", requests[index + 1]);
        }
    }
    ExitCode::SUCCESS
}

/// The sample again and again, its index in front, as of a video that is made for the web.
fn video(folder: &Path) -> PathBuf {
    let path = folder.join(KEY);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/media").join(CARS.file);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-stream_loop", "-1", "-i"]).arg(sample);
    ffmpeg.args(["-t", &SECONDS.to_string(), "-c", "copy", "-movflags", "+faststart"]).arg(&path);
    succeed(ffmpeg);
    path
}

/// An object store with the video, and what the other programs need to read it.
struct Store {
    client: Client,
    url: String,
    gets: Seen,
    _server: S3Server,
}

impl Store {
    async fn start(folder: &Path, video: &Path) -> Self {
        let (id, secret, region) = ("bench", "bench-secret", "us-east-1");
        let faults = Faults::default();
        let server = framelift_dev_s3::start(S3Config {
            buckets: vec![BUCKET.to_owned()],
            faults: faults.clone(),
            ..S3Config::local(folder.join("store"), id, secret, region)
        });
        let server = server.await.expect("the store starts");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(Credentials::new(id, secret, None, None, "bench"))
            .region(Region::new(region))
            .endpoint_url(server.endpoint())
            .force_path_style(true)
            .build();
        let client = Client::from_conf(config);
        let body = ByteStream::from_path(video).await.expect("the video is there");
        client.put_object().bucket(BUCKET).key(KEY).body(body).send().await.expect("it is stored");
        let an_hour = PresigningConfig::expires_in(Duration::from_secs(3600)).expect("a valid time");
        let url = client.get_object().bucket(BUCKET).key(KEY).presigned(an_hour).await.expect("a URL");
        let gets = faults.add(Rule::watch().on("GET", ""));
        faults.add(Rule::new(Fault::Delay(LATENCY)));
        Self { client, url: url.uri().to_owned(), gets, _server: server }
    }

    /// The job as a worker does it; the number of bytes that it received.
    fn extract(&self, runtime: &Runtime, period: u32) -> u64 {
        let opening = framelift_worker::store::open_object(self.client.clone(), BUCKET, KEY, READ_BUFFER);
        let (source, received) = runtime.block_on(opening).expect("the object is there");
        let options =
            &Options { select: Select::Every(Rational::whole(period.into())), ..Options::default() };
        let limits = &EngineLimits { hardware: HardwareUse::Never, ..EngineLimits::default() };
        let (source, output) = (Box::new(source), Output::zip(std::io::sink()));
        let request = Request { source, file_name: KEY.to_owned(), options, limits, output, control: &() };
        let outcome = extract(request, Vec::new()).expect("it is a good video");
        assert_eq!(outcome.frames, u64::from(SECONDS / period));
        received.load(Relaxed)
    }

    /// One run of ffmpeg for each frame, one a core at once.
    fn ffmpeg_each(&self, folder: &Path, period: u32) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut xargs = Command::new("xargs");
        xargs.args(["-P", &cores.to_string(), "-I", "{}", "ffmpeg", "-v", "error", "-nostdin", "-y"]);
        xargs.args(["-threads", "1", "-ss", "{}", "-i", &self.url, "-frames:v", "1", "-q:v", "2", "{}.jpg"]);
        xargs.current_dir(folder).stdin(Stdio::piped());
        let mut child = xargs.spawn().expect("xargs is installed");
        let times: String = (0..SECONDS / period).map(|index| format!("{}\n", index * period)).collect();
        let mut input = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut input, times.as_bytes()).expect("it reads");
        drop(input);
        assert!(child.wait().expect("it is our child").success());
    }

    /// One run of ffmpeg that decodes everything.
    fn ffmpeg(&self, folder: &Path, period: u32) {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin", "-y", "-i", &self.url]);
        ffmpeg.args(["-vf", &format!("fps=1/{period}:round=up"), "-q:v", "2", "%06d.jpg"]);
        ffmpeg.current_dir(folder);
        succeed(ffmpeg);
    }
}

fn succeed(mut command: Command) {
    let status = command.status().expect("ffmpeg is installed");
    assert!(status.success(), "ffmpeg failed");
}
