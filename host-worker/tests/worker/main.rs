//! A whole worker between the local cloud's servers and fakes of the rest: what it does with good messages, bad
//! messages, bad videos, and surroundings that fail.

#![expect(clippy::unwrap_used, reason = "a test's fakes may panic as its checks do")]

mod account_mails;
#[path = "../../../crates/plugin-host/tests/plugins/component.rs"]
#[expect(dead_code, reason = "the tests of the plugins' host use all of it")]
mod component;
mod control;
mod http;
#[path = "../../../crates/sandbox/tests/sandbox/landlock.rs"]
mod landlock;
mod lanes;
mod plugins;
mod process;
mod rig;
mod smtp;
mod webhooks;

use std::io::{Cursor, Read as _};

use framelift_contract::frame_index::{Extent, HEADER_BYTES, Header, ROW_BYTES, Row};
use framelift_contract::manifest::Manifest;
use framelift_contract::problem::ProblemCode;
use framelift_contract::report::Job;
use framelift_dev_faults::{Fault, Rule};
use framelift_domain::{Checksum, Failure, FailureCode};
use serde_json::json;

use rig::{DEAD, JOBS, Rig, endless_video, eventually, hidden_for_s, message, small_video, video};

/// Checks the archive that a job's completion reported.
async fn assert_archive(rig: &Rig, job: &Job, frames: usize) {
    let calls = rig.control.calls("complete");
    let report = &calls.iter().find(|call| call.correlation_id == job.correlation_id.as_str()).unwrap().body;
    let archive = rig.object(&job.result_key).await.expect("the archive is stored");
    assert_eq!(report["sha256"], Checksum::of(&archive).to_string());
    assert_eq!(report["size_bytes"], archive.len());
    assert_eq!(report["frames"], frames);
    assert_eq!(report["attempt"], job.attempt);
    let mut zip = zip::ZipArchive::new(Cursor::new(&archive)).unwrap();
    let mut manifest = String::new();
    zip.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
    let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.frames.len(), frames);
    assert_eq!(manifest.source.file_name, job.file_name);
    let index = rig.object(job.index_key.as_deref().unwrap()).await.expect("the index is stored");
    assert_eq!(report["indexed"], true);
    assert_index(&index, &archive, &manifest);
    for frame in &manifest.frames {
        assert_eq!(zip.by_name(&frame.file).unwrap().size(), frame.bytes);
    }
}

/// Checks that an index leads to every image of an archive, and to its manifest.
fn assert_index(index: &[u8], archive: &[u8], manifest: &Manifest) {
    let (header, rows) = index.split_at(HEADER_BYTES);
    let header = Header::decode(header).unwrap();
    assert_eq!((header.frames, header.archive_bytes), (manifest.frames.len() as u64, archive.len() as u64));
    let bytes = |extent: Extent| &archive[extent.offset as usize..][..extent.length as usize];
    assert_eq!(&serde_json::from_slice::<Manifest>(bytes(header.manifest)).unwrap(), manifest);
    assert_eq!(rows.len(), manifest.frames.len() * ROW_BYTES);
    for (row, frame) in rows.chunks_exact(ROW_BYTES).zip(&manifest.frames) {
        let row = Row::decode(row.try_into().unwrap());
        assert_eq!(Checksum::of(bytes(row.image)), frame.sha256);
        assert_eq!((u32::from(row.width), u32::from(row.height)), (frame.width, frame.height));
        assert_eq!((row.time_ns as f64 / 1e9, row.keyframe), (frame.time_seconds, frame.keyframe));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn videos_become_archives() {
    let mut rig = Rig::start().await;
    let video = small_video();
    let posts = rig.s3.faults().add(Rule::watch().on("POST", ""));
    let mut jobs: Vec<Job> = Vec::new();
    for number in 1..=3 {
        jobs.push(rig.add(number, video.clone(), json!({"select": {"every": "1s"}}), 1).await);
    }
    for job in &jobs {
        rig.send(job).await;
    }
    rig.no_messages().await;
    for job in &jobs {
        assert_archive(&rig, job, 3).await;
        for name in ["claim", "progress", "complete"] {
            let calls = rig.control.calls(name);
            let mine = calls.iter().filter(|call| call.correlation_id == job.correlation_id.as_str());
            assert!(mine.count() >= 1, "{name} with the job's correlation id");
        }
    }
    assert_eq!(posts.requests(), 0, "small archives need no multipart upload");

    assert_eq!(rig.get("/health/live").await.0, 200);
    assert_eq!(rig.get("/health/ready").await.0, 200);
    let (status, page) = rig.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "framelift_worker_jobs_total{outcome=\"completed\",code=\"\"} 3",
        "framelift_worker_frames_total 9",
        "framelift_worker_jobs_in_flight 0",
        "framelift_worker_permits 3",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_archive_leaves_in_parts() {
    let rig = Rig::start().await;
    // Noise does not compress: each PNG has about 700 KB.
    let noise = video(20, "nullsrc=size=640x360:rate=10,geq=random(1)*255:128:128");
    let job = rig.add(1, noise, json!({"select": {"all": true}, "format": "png"}), 1).await;
    // A part that does not arrive at first is sent again.
    let parts = rig.s3.faults().add(Rule::watch().on("PUT", "partNumber=2"));
    rig.break_next("PUT", "partNumber=2", 4, Fault::SLOW_DOWN);
    rig.send(&job).await;
    rig.no_messages().await;
    assert_archive(&rig, &job, 20).await;
    assert_eq!(rig.control.calls("complete")[0].body["decoded_ms"], 2_000);
    assert!(rig.object(&job.result_key).await.unwrap().len() > 5 << 20);
    assert!(parts.requests() >= 5);
    assert_eq!(rig.open_uploads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_fails_with_a_reason_and_an_e_mail() {
    let rig = Rig::start().await;
    let job = rig.add(1, &b"this is not a video, whatever its name says"[..], json!({}), 1).await;
    rig.send(&job).await;
    rig.no_messages().await;
    let fail = rig.control.called("fail").await;
    assert_eq!((&fail.body["code"], &fail.body["release"]), (&json!("not-a-video"), &json!(false)));
    assert_eq!(fail.correlation_id, "c-1");
    rig.assert_no_leftovers().await;

    let mails = rig.smtp.mails();
    assert_eq!(mails.len(), 1);
    for part in [
        format!("Message-ID: <{}.failed@frames.example.com>", job.video_id),
        "X-Correlation-Id: c-1".into(),
        "To: ada@example.com".into(),
        "not-a-video".into(),
    ] {
        assert!(mails[0].contains(&part), "{part} is not in\n{}", mails[0]);
    }
    assert_eq!(rig.control.calls("notified").len(), 1);
    assert!(rig.get("/metrics").await.1.contains("jobs_total{outcome=\"failed\",code=\"not-a-video\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_job_goes_to_the_dead_letters_and_stays_there() {
    let rig = Rig::start().await;
    let bad = ["hello", r#"{"version":9}"#, r#"{"s3_path":"../../etc/passwd","filename":"x"}"#];
    for body in bad {
        rig.send_text(JOBS, body).await;
    }
    rig.no_messages().await;
    // The reader of the dead letters puts each out of sight, once.
    eventually("dead letters are put out of sight", async || {
        rig.messages(DEAD).await.iter().filter(|message| hidden_for_s(message) >= 11 * 3600).count() == 3
    })
    .await;
    let mut kept = rig.bodies(DEAD).await;
    kept.sort();
    let mut sent = bad.map(str::to_owned).to_vec();
    sent.sort();
    assert_eq!(kept, sent);
    assert!(rig.control.calls("claim").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_attempt_removes_its_own_archive() {
    let rig = Rig::start().await;
    let job = rig.add(1, small_video(), json!({"select": {"count": 2}}), 4).await;
    let published = ["5.index.bin", "5.zip"].map(|name| format!("{}{name}", job.result_prefix));
    for key in &published {
        rig.put(key, &b"the next attempt's"[..]).await;
    }
    rig.control.script("complete", &[Some(ProblemCode::Unavailable), Some(ProblemCode::StaleAttempt)]);
    rig.send(&job).await;
    rig.no_messages().await;
    assert_eq!(rig.keys("results/").await, published);
    assert!(rig.control.calls("fail").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_superseded_stops_at_once() {
    let rig = Rig::start().await;
    let job = rig.add(1, small_video(), json!({}), 1).await;
    rig.break_next("GET", "uploads/", 1, Fault::Stall);
    rig.control.script("progress", &[None, Some(ProblemCode::JobFinished)]);
    rig.send(&job).await;
    rig.no_messages().await;
    rig.assert_no_leftovers().await;
    assert!(rig.control.calls("complete").is_empty() && rig.control.calls("fail").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_fail_or_are_cut_short_go_on_where_they_ended() {
    let rig = Rig::start().await;
    let job =
        rig.add(1, video(100, "testsrc2=size=320x180:rate=10"), json!({"select": {"count": 5}}), 1).await;
    rig.break_next("GET", "uploads/", 2, Fault::Truncate { after: 10_000 });
    rig.break_next("GET", "uploads/", 4, Fault::INTERNAL_ERROR);
    rig.send(&job).await;
    rig.no_messages().await;
    assert_archive(&rig, &job, 5).await;
    let (_, page) = rig.get("/metrics").await;
    assert!(!page.contains("read_retries_total 0"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_from_the_store_is_in_the_record() {
    let rig = Rig::start().await;
    let video = small_video();
    let size = video.len() as u64;
    let reads = rig.s3.faults().add(Rule::watch().on("GET", "uploads/"));
    let job = rig.add(1, video, json!({"select": {"every": "1s"}}), 1).await;
    rig.send(&job).await;
    rig.no_messages().await;
    assert_archive(&rig, &job, 3).await;
    // The engine opens a video more than once; the store sends it once.
    assert_eq!(reads.requests(), 1);
    assert_eq!(rig.control.calls("complete")[0].body["bytes_read"], size);
    let page = rig.get("/metrics").await.1;
    assert!(page.contains(&format!("framelift_worker_read_bytes_total {size}\n")), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_cannot_be_stored_gives_the_job_back() {
    let rig = Rig::start().await;
    let job = rig.add(1, small_video(), json!({}), 1).await;
    rig.break_next("PUT", "results/", 100, Fault::Error { status: 403, code: "AccessDenied" });
    rig.send(&job).await;
    rig.no_messages().await;
    let fail = rig.control.called("fail").await;
    assert_eq!((&fail.body["release"], &fail.body["code"]), (&json!(true), &json!("internal")));
    assert!(rig.smtp.mails().is_empty(), "nobody is told of a job that is released");
    rig.assert_no_leftovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_gone_is_not_waited_for() {
    let rig = Rig::start().await;
    let job = rig.control.add_job(1, 1000, json!({}), 1);
    rig.send(&job).await;
    rig.no_messages().await;
    let fail = rig.control.called("fail").await;
    assert_eq!((&fail.body["release"], &fail.body["code"]), (&json!(false), &json!("internal")));
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_earlier_attempts_go() {
    let rig = Rig::start().await;
    let job = rig.add(1, small_video(), json!({"select": {"count": 1}}), 3).await;
    for attempt in [1, 2, 9] {
        for name in ["zip", "index.bin"] {
            rig.put(&format!("{}{attempt}.{name}", job.result_prefix), &b"left"[..]).await;
        }
    }
    rig.begin_upload(&format!("{}2.zip", job.result_prefix)).await;
    rig.send(&job).await;
    rig.no_messages().await;
    let stay =
        ["3.index.bin", "3.zip", "9.index.bin", "9.zip"].map(|name| format!("{}{name}", job.result_prefix));
    assert_eq!(rig.keys("results/").await, stay, "later attempts' stay");
    assert_eq!(rig.open_uploads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_others_hold_or_have_finished() {
    let rig = Rig::start().await;
    let held = rig.add(1, small_video(), json!({}), 1).await;
    rig.control.script("claim", &[Some(ProblemCode::LeaseHeld), Some(ProblemCode::JobFinished)]);
    rig.send(&held).await;
    let deferred = async || rig.messages(JOBS).await.iter().any(|message| hidden_for_s(message) >= 30);
    eventually("the message is deferred", deferred).await;
    assert_eq!(rig.messages(JOBS).await.len(), 1, "it is not deleted");

    // Finished, but its notice never went out.
    let finished = rig.add(2, small_video(), json!({}), 1).await;
    rig.control.set_outstanding(&finished, Failure::new(FailureCode::CorruptInput, "no frame"));
    rig.send(&finished).await;
    eventually("the notice is out", async || rig.messages(JOBS).await.len() == 1).await;
    assert!(rig.smtp.mails()[0].contains("corrupt-input"));
    assert_eq!(rig.control.calls("notified")[0].body["attempt"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_credential_is_refused_takes_itself_out() {
    let rig = Rig::with("250 ok", "[worker]\nsweep = \"1s\"\n").await;
    eventually("the worker is ready at first", async || rig.get("/health/ready").await.0 == 200).await;
    rig.control.refuse_token(true);
    let job = rig.add(1, small_video(), json!({"select": {"count": 1}}), 1).await;
    rig.send(&job).await;
    loop {
        let (status, report) = rig.get("/health/ready").await;
        if status == 503 && report.contains("\"unauthorised\":true") {
            break;
        }
        tokio::task::yield_now().await;
    }
    // Accepted again, it comes back by itself.
    rig.control.refuse_token(false);
    while rig.get("/health/ready").await.0 != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_newer_than_the_edge_takes_no_job() {
    let rig = Rig::with("250 ok", "").await;
    rig.control.set_version(Some("0.0.9"));
    let is_out = async || {
        let (status, report) = rig.get("/health/ready").await;
        status == 503 && report.contains("\"control\":\"unavailable\"")
    };
    eventually("it is not ready", is_out).await;
    rig.control.set_version(None);
    eventually("it works with the edge of its version", async || rig.get("/health/ready").await.0 == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_fails_job_after_job_takes_itself_out_of_service() {
    let more = "[worker]\nconcurrency = 1\nmax_own_failures = 2\nout_of_service = \"1s\"\n";
    let rig = Rig::with("250 ok", more).await;
    // The bucket answers probes and reads; archives cannot be stored.
    rig.break_next("PUT", "results/", u32::MAX, Fault::Error { status: 403, code: "AccessDenied" });
    let send = async |number| {
        let job = rig.add(number, small_video(), json!({"select": {"count": 1}}), 1).await;
        rig.send(&job).await;
    };
    send(1).await;
    send(2).await;
    let is_out = async || {
        let (status, report) = rig.get("/health/ready").await;
        status == 503 && report.contains("\"out_of_service\":true")
    };
    eventually("it is out of service", is_out).await;
    // One whose message it already has would be deferred for longer than the test waits.
    send(3).await;
    assert_eq!(rig.get("/health/live").await.0, 200, "starting it again would not help");
    // After a pause it tries one job, and is out again.
    let counts = async |line: &str| rig.get("/metrics").await.1.contains(line);
    let twice = async || counts("framelift_worker_out_of_service_total 2").await;
    eventually("it tried and is out again", twice).await;
    assert!(counts("framelift_worker_own_failures_in_a_row 3").await);
    // The first job that goes well ends the row.
    rig.s3.faults().clear();
    send(4).await;
    eventually("it is back", async || counts("framelift_worker_own_failures_in_a_row 0").await).await;
    eventually("it is ready", async || rig.get("/health/ready").await.0 == 200).await;
    rig.no_messages().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_good_counts_as_sent() {
    let rig = Rig::with("550 no such mailbox", "").await;
    let job = rig.add(1, &b"no video"[..], json!({}), 1).await;
    rig.send(&job).await;
    rig.no_messages().await;
    assert_eq!((rig.smtp.recipients(), rig.control.calls("notified").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_defers_gets_the_mail_later() {
    let rig = Rig::with("451 try later", "").await;
    let job = rig.add(1, &b"no video"[..], json!({}), 1).await;
    rig.send(&job).await;
    while !rig.get("/metrics").await.1.contains("notices_total{channel=\"email\",outcome=\"put_off\"} 1") {
        tokio::task::yield_now().await;
    }
    assert!(rig.smtp.recipients() > 1, "it was tried again");
    assert!(rig.control.calls("notified").is_empty());
    assert_eq!(rig.messages(JOBS).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_falls_silent_is_not_waited_for() {
    let rig = Rig::with("", "").await;
    let job = rig.add(1, &b"no video"[..], json!({}), 1).await;
    rig.send(&job).await;
    while !rig.get("/metrics").await.1.contains("notices_total{channel=\"email\",outcome=\"put_off\"} 1") {
        tokio::task::yield_now().await;
    }
    assert!(rig.smtp.recipients() > 1, "it was tried again");
    assert_eq!(rig.messages(JOBS).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_does_not_return_costs_its_own_job_alone() {
    let rig = Rig::with("250 ok", "[worker]\nconcurrency = 1\n").await;
    let job = rig.add(1, endless_video(), json!({}), 1).await;
    rig.send(&job).await;
    let fail = rig.control.called("fail").await;
    assert_eq!((&fail.body["code"], &fail.body["release"]), (&json!("timed-out"), &json!(false)));
    let message = fail.body["message"].as_str().unwrap();
    assert!(message.starts_with("the video could not be opened and measured within"), "{message}");
    rig.no_messages().await;
    assert!(rig.smtp.mails()[0].contains("timed-out"));
    rig.assert_no_leftovers().await;
    // The only permit is free again, and the worker takes the next one.
    let next = rig.add(2, small_video(), json!({"select": {"count": 2}}), 1).await;
    rig.send(&next).await;
    rig.no_messages().await;
    assert_archive(&rig, &next, 2).await;
    let health = [rig.get("/health/live").await, rig.get("/health/ready").await];
    assert_eq!(health.each_ref().map(|(status, _)| *status), [200, 200], "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_used_up_its_tries_fails() {
    let rig = Rig::start().await;
    let tried = rig.add(1, small_video(), json!({}), 6).await;
    let tried_once = rig.add(2, small_video(), json!({}), 2).await;
    rig.send_text(DEAD, &message(&tried)).await;
    rig.send_text(DEAD, &message(&tried_once)).await;
    eventually("both are settled", async || rig.messages(DEAD).await.is_empty()).await;
    let fails = rig.control.calls("fail");
    assert_eq!(fails[0].body["message"], "gave up after 5 tries");
    assert_eq!((&fails[0].body["release"], &fails[1].body["release"]), (&json!(false), &json!(true)));
    assert_eq!(rig.smtp.mails().len(), 1);
    assert!(rig.smtp.mails()[0].contains("gave up after 5 tries"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_gives_running_jobs_back() {
    let mut rig = Rig::with("250 ok", "[worker]\ngrace_period = \"6s\"\n").await;
    let job = rig.add(1, small_video(), json!({}), 1).await;
    rig.break_next("GET", "uploads/", 100, Fault::Stall);
    rig.send(&job).await;
    rig.control.called("progress").await;
    rig.finish().await;
    let fail = rig.control.called("fail").await;
    assert_eq!(fail.body["release"], true);
    assert!(rig.messages(JOBS).await.is_empty(), "control sends a new message");
    rig.assert_no_leftovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_that_is_down_for_a_while_is_waited_for() {
    let rig = Rig::start().await;
    let job = rig.add(1, small_video(), json!({"select": {"count": 1}}), 1).await;
    let down = [Some(ProblemCode::Unavailable); 3];
    rig.control.script("claim", &down);
    rig.control.script("complete", &down);
    rig.send(&job).await;
    rig.no_messages().await;
    let claims = rig.control.calls("claim");
    assert_eq!(claims.len(), 4);
    assert!(claims.iter().all(|call| call.body["claim_id"] == claims[0].body["claim_id"]));
    assert_eq!(rig.control.calls("complete").len(), 4);
    assert_archive(&rig, &job, 1).await;
}
