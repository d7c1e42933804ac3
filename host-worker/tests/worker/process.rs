//! The program itself: its exit codes, its log, its signals.

use std::process::Stdio;
use std::time::Duration;

use framelift_dev_faults::Fault;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::landlock;
use crate::rig::{ACCESS_KEY, JOBS, Rig, SECRET, endless_video, small_video};

struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    _folder: tempfile::TempDir,
}

impl Process {
    fn start(configuration: &str) -> Self {
        Self::started_after(configuration, || {})
    }

    /// A worker on a kernel without Landlock.
    fn on_an_old_kernel(configuration: &str) -> Self {
        let runtime = tokio::runtime::Handle::current();
        // A process is confined as the thread that starts it.
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| {
                let _entered = runtime.enter();
                Self::started_after(configuration, landlock::take_away)
            });
            starting.join().unwrap()
        })
    }

    fn started_after(configuration: &str, prepare: fn()) -> Self {
        prepare();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("worker.toml");
        std::fs::write(&file, configuration).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_framelift-worker"))
            .arg("--config")
            .arg(file)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log, _folder: folder }
    }

    /// Reads the log up to the line with that message; every line is JSON.
    async fn logged(&mut self, message: &str) -> Value {
        loop {
            let line = self.log.next_line().await.unwrap().expect("the log goes on");
            assert!(!line.contains("worker-credential") && !line.contains(SECRET), "{line}");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if line["message"] == message {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        status.expect("the process ends").unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_with_64() {
    let mut process = Process::start("[control]\nurl = 5\ntokn = \"worker-credential\"\n");
    assert_eq!(process.exit_code().await, Some(64));
    let mut told = String::new();
    while let Some(line) = process.log.next_line().await.unwrap() {
        told.push_str(&line);
        told.push('\n');
    }
    for part in ["[control] url", "[control] tokn: unknown key", "[queue] url is missing"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(!told.contains("worker-credential"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_without_landlock_is_refused_unless_the_configuration_takes_what_there_is() {
    let rig = Rig::without_worker("250 ok").await;
    let mut process = Process::on_an_old_kernel(&rig.configuration(""));
    let refused = process.logged("the worker cannot go on").await;
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("the sandbox for decoders is not complete: Landlock: "), "{error}");
    assert_eq!(process.exit_code().await, Some(1));

    let best_effort = rig.configuration("[worker]\nsandbox = \"best-effort\"\n");
    let mut process = Process::on_an_old_kernel(&best_effort);
    let less = process.logged("decoders are confined less than they could be, as configured").await;
    assert_eq!(less["level"], "WARN");
    assert!(less["missing"].as_str().unwrap().starts_with("Landlock: "), "{less}");
    let job = rig.add(1, small_video(), json!({"select": {"count": 2}}), 1).await;
    rig.send(&job).await;
    process.logged("the result is published").await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
    rig.no_messages().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_follows_a_job_and_sigterm_ends_with_0() {
    let rig = Rig::without_worker("250 ok").await;
    let mut process = Process::start(&rig.configuration(""));
    let up = process.logged("the worker is up").await;
    assert!(up["health"].as_str().unwrap().starts_with("127.0.0.1:"), "{up}");
    let job = rig.add(1, small_video(), json!({"select": {"count": 2}}), 1).await;
    rig.send(&job).await;
    for (message, event) in [
        ("the attempt begins", "ProcessingStarted"),
        ("the frames are extracted", "FramesExtracted"),
        ("the archive is stored", "ZipGenerated"),
        ("the result is published", "ProcessingCompleted"),
    ] {
        let line = process.logged(message).await;
        assert_eq!(line["event"], event);
        let span = &line["spans"][0];
        assert_eq!((&span["correlation_id"], &span["attempt"]), (&json!("c-1"), &json!(1)), "{line}");
        assert_eq!(span["video_id"], json!(job.video_id));
        if event == "ProcessingCompleted" {
            assert_eq!(line["bytes_read"], job.size_bytes, "a small file is read whole, once: {line}");
        }
    }
    rig.no_messages().await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_does_not_return_does_not_prolong_the_grace_period() {
    const GRACE: Duration = Duration::from_secs(12);
    let rig = Rig::without_worker("250 ok").await;
    let job = rig.add(1, endless_video(), json!({}), 1).await;
    rig.send(&job).await;
    let mut process = Process::start(&rig.configuration("[worker]\ngrace_period = \"12s\"\n"));
    process.logged("the attempt begins").await;
    let began = tokio::time::Instant::now();
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
    // Waiting for the engine and waiting for the jobs is one time, not one after the other.
    assert!(began.elapsed() < GRACE + Duration::from_secs(8), "{:?}", began.elapsed());
    let fail = rig.control.called("fail").await;
    assert_eq!(fail.body["release"], true, "another worker takes it at once");
    assert!(rig.messages(JOBS).await.is_empty(), "control sends a new message");
    rig.assert_no_leftovers().await;
}

/// The child of a process that has computed for half a second: one that decodes, not one that waits.
fn busy_child(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, parent, …, ticks in user mode (the 12th).
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        number(1) == Some(parent) && number(11).is_some_and(|ticks| ticks >= 50)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_crashes_its_decoder_twice_is_not_tried_a_third_time() {
    let rig = Rig::without_worker("250 ok").await;
    let mut process = Process::start(&rig.configuration("[worker]\nconcurrency = 1\n"));
    process.logged("the worker is up").await;
    let worker = process.child.id().unwrap();
    let job = rig.add(1, endless_video(), json!({}), 1).await;
    rig.send(&job).await;
    for _ in 0..2 {
        let mut crashing = None;
        crate::rig::eventually("a decoder computes", async || {
            crashing = busy_child(worker);
            crashing.is_some()
        })
        .await;
        let killed =
            std::process::Command::new("kill").args(["-s", "ABRT", &crashing.unwrap().to_string()]).status();
        assert!(killed.unwrap().success());
        let line = process.logged("the decoder's process did not end well").await;
        assert_eq!((&line["kind"], &line["spans"][0]["attempt"]), (&json!("Fault"), &json!(1)), "{line}");
    }
    let fail = rig.control.called("fail").await;
    assert_eq!((&fail.body["code"], &fail.body["release"]), (&json!("decoder-crashed"), &json!(false)));
    assert_eq!(fail.body["message"], "the decoder crashed (SIGABRT), twice");
    rig.no_messages().await;
    rig.assert_no_leftovers().await;
    let next = rig.add(2, small_video(), json!({"select": {"count": 2}}), 1).await;
    rig.send(&next).await;
    rig.control.called("complete").await;
    // Nothing of a worker that is killed goes on.
    let child = rig.add(3, endless_video(), json!({}), 1).await;
    rig.send(&child).await;
    let mut busy = None;
    crate::rig::eventually("a decoder computes", async || {
        busy = busy_child(worker);
        busy.is_some()
    })
    .await;
    process.signal("KILL");
    process.exit_code().await;
    let status = format!("/proc/{}/status", busy.unwrap());
    crate::rig::eventually("the decoder ends with its worker", async || {
        std::fs::read_to_string(&status).map_or(true, |status| status.contains("State:\tZ"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let rig = Rig::without_worker("250 ok").await;
    let job = rig.add(1, small_video(), json!({}), 1).await;
    rig.break_next("GET", "uploads/", 100, Fault::Stall);
    rig.send(&job).await;
    let mut process = Process::start(&rig.configuration("[worker]\ngrace_period = \"10m\"\n"));
    process.logged("the attempt begins").await;
    process.signal("TERM");
    process.logged("told to stop: no more work is taken").await;
    process.signal("INT");
    assert_eq!(process.exit_code().await, Some(130));
    assert!(rig.control.calls("fail").is_empty());
}
