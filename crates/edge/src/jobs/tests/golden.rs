//! Videos that earlier and later versions stored.

use std::collections::BTreeSet;

use framelift_contract::webhook::{DeliveryOutcome, DeliveryReport, EventData, EventType};
use framelift_domain::options::{Fit, Format, Range, Resize};
use framelift_domain::video::Stage;
use framelift_domain::{EventId, PluginRef, Rational};
use serde_json::Value;

use super::*;
use crate::events::stream_slot::StreamSlot;
use crate::jobs::plugins::Checked;
use crate::service::rate::RateLimiter;
use crate::store::Store;
use crate::store::golden;

/// The newest layout.
const NEWEST: &str = "videos.v5";

/// One video in every state, one with every selection, and all other values beside them.
fn scenario() -> Fixture {
    let fixture =
        Fixture { limits: Limits { max_in_flight_per_user: 3, ..Limits::default() }, ..Fixture::new() };
    let jobs = fixture.jobs();
    let request = |key: &str| Idempotency { key: key.into(), request_hash: "ab".repeat(32) };
    let multipart = || Multipart { upload_id: "an upload".into(), part_size: 5 << 20, part_count: 2 };

    let completed = fixture.claimed();
    let mut result = extraction();
    result.warnings = vec!["\"90s\" lies beyond the end".into()];
    block_on(jobs.complete(completed, 1, worker(), result)).unwrap();
    block_on(jobs.notified(completed, 0, false)).unwrap();
    let failed = fixture.claimed();
    let failure = Failure::new(FailureCode::CorruptInput, "no frame could be decoded");
    block_on(jobs.fail(failed, 1, worker(), failure, 700)).unwrap();
    block_on(jobs.notified(failed, 1, true)).unwrap();
    block_on(jobs.claim_delivery(failed.into())).unwrap();
    let test = EventData::Test { test: true };
    let (id, c) = (EventId::new(1, [7; 10]), "c".parse().unwrap());
    block_on(jobs.publish_event(fixture.user, id, EventType::WebhookTest, &c, test)).unwrap();
    let report = DeliveryReport {
        attempt: 1,
        worker_id: worker(),
        outcome: DeliveryOutcome::Retry,
        status: Some(500),
        error: Some("the receiver answered 500".into()),
    };
    block_on(jobs.record_attempt(id, &report)).unwrap();
    let canceled = fixture.create();
    block_on(jobs.multipart_begun(fixture.user, canceled, multipart())).unwrap();
    block_on(jobs.cancel(fixture.user, canceled)).unwrap();
    let deleted = fixture.claimed();
    block_on(jobs.complete(deleted, 1, worker(), extraction())).unwrap();
    block_on(jobs.delete(fixture.user, deleted)).unwrap();
    let _expired = fixture.create();
    fixture.advance_s(25 * 3600);
    block_on(jobs.sweep()).unwrap();

    let awaiting =
        block_on(jobs.create(fixture.user, new_video(Options::default()), Some(&request("a")))).unwrap();
    block_on(jobs.multipart_begun(fixture.user, awaiting.id, multipart())).unwrap();
    block_on(jobs.acquire_upload_lease(fixture.user, awaiting.id, &request("a"))).unwrap();
    let released = fixture.claimed();
    block_on(jobs.release(released, 1, worker(), internal())).unwrap();
    let processing = fixture.uploaded();
    block_on(jobs.claim(processing, worker(), Some("a claim".into()))).unwrap();
    let progress = Progress {
        stage: Stage::Extracting,
        percent: 40,
        frames_done: 4,
        frames_expected: Some(10),
        bytes_read: 1000,
        decoded_ms: 4_000,
    };
    block_on(jobs.progress(processing, 1, worker(), progress)).unwrap();
    // Its sender died before the message was sent.
    fixture.queue.set_faults(100);
    let unsent = fixture.create();
    block_on(jobs.uploaded(fixture.user, unsent)).unwrap_err();
    fixture.queue.set_faults(0);
    let queued = fixture.create();
    let _ = block_on(jobs.uploaded(fixture.user, queued));
    block_on(jobs.run(
        fixture.user,
        completed,
        Options::default(),
        "c".parse().unwrap(),
        None,
        Some(&request("b")),
    ))
    .unwrap();
    for options in selections() {
        let video = block_on(jobs.create(fixture.user, new_video(options), Some(&request("c")))).unwrap();
        if let Ok(super::super::UploadClaim::Acquired(lease)) =
            block_on(jobs.acquire_upload_lease(fixture.user, video.id, &request("c")))
        {
            block_on(jobs.complete_upload(&lease, "cd".repeat(32))).unwrap();
        }
        fixture.advance_s(25 * 3600);
    }
    plugins_of(&fixture);
    request_and_stream(&fixture);
    // A page of the index, and a creation that somebody left half done.
    let store = Store::new(&fixture.kv, &fixture.clock);
    for n in 0..101 {
        block_on(store.append(UserId::new(1, [2; 10]), VideoId::new(n, [n as u8; 10]))).unwrap();
    }
    block_on(crate::ports::Kv::increment(&fixture.kv, "new/index/x", 1)).unwrap();
    block_on(store.create("index/x", &crate::store::index::Head::default())).unwrap_err();
    fixture
}

/// A request of the user that is counted, and an open stream of events.
fn request_and_stream(fixture: &Fixture) {
    let store = Store::new(&fixture.kv, &fixture.clock);
    let limiter = RateLimiter::new(10);
    let limited = block_on(limiter.count(&store, &fixture.clock, fixture.user)).unwrap();
    assert!(limited.allows());
    let slot = block_on(StreamSlot::acquire(&store, fixture.user));
    assert!(block_on(slot.is_held(&store)));
}

/// A plugin in each state, and a video that runs one.
fn plugins_of(fixture: &Fixture) {
    let (jobs, user, correlation_id) = (fixture.jobs(), fixture.user, "c".parse().unwrap());
    let put = |name: &str, sha256: [u8; 32]| {
        let id = block_on(jobs.begin_plugin(user, name, 10, &correlation_id)).unwrap();
        block_on(jobs.plugin_stored(user, id, sha256.into(), 9)).unwrap();
        block_on(jobs.claim_plugin(user, id, &worker(), "a claim")).unwrap();
        id
    };
    let checked = |id, checked| block_on(jobs.plugin_checked(user, id, (1, &worker()), checked)).unwrap();
    let schema = serde_json::Map::from_iter([("type".to_owned(), "object".into())]);
    checked(put("mine", [0xab; 32]), Checked::Ready(Some(schema)));
    let options = Options { plugins: vec![PluginRef::new("mine", r#"{"level":3}"#)], ..Options::default() };
    block_on(jobs.create(user, new_video(options), None)).unwrap();
    checked(put("mine", [0xcd; 32]), Checked::Ready(None));
    put("mine", [0xef; 32]);
    checked(put("other", [0xab; 32]), Checked::Rejected("it imports wasi:sockets/tcp".into()));
    block_on(jobs.begin_plugin(user, "coming", 10, &correlation_id)).unwrap();
}

fn selections() -> Vec<Options> {
    let decimal = |text: &str| Rational::parse_decimal(text).unwrap();
    let place = |text: &str| text.parse::<Place>().unwrap();
    let selects = [
        Select::Every(decimal("2.5")),
        Select::Fps(decimal("29.97")),
        Select::Count(20),
        Select::At(vec![place("1.5s"), place("33.3%"), place("#300")]),
        Select::Keyframes,
        Select::Scenes { threshold: 0.3, max: 200 },
        Select::All,
    ];
    let mut all: Vec<Options> =
        selects.into_iter().map(|select| Options { select, ..Options::default() }).collect();
    all[1] = Options {
        range: Range { start: place("1s"), end: place("#900") },
        tolerance: decimal("0.25"),
        format: Format::Webp,
        quality: 75,
        resize: Some(Resize { width: Some(1280), height: None, fit: Fit::Cover }),
        storyboard: true,
        plugins: vec![PluginRef::new("watermark", r#"{"text":"draft"}"#)],
        ..all[1].clone()
    };
    all
}

/// Continues stored videos, by every call that writes them. `has_keys` says whether the store has idempotency keys in
/// the present form; until version 2 they had another one, which is no longer read.
fn continue_videos(kv: MemoryKv, has_keys: bool) -> Fixture {
    let fixture = Fixture { kv, ..scenario() };
    let jobs = fixture.jobs();
    let all = block_on(jobs.list(fixture.user, None, 100, None)).unwrap().items;
    let in_state = |name: StateName| {
        let mut found = all.iter().map(|found| &found.video).filter(|video| video.state.name() == name);
        found.next().unwrap_or_else(|| panic!("no video is {name}")).clone()
    };
    let mut names: Vec<StateName> = all.iter().map(|found| found.video.state.name()).collect();
    names.dedup();
    assert!(names.len() >= 6, "{names:?}");

    let completed = in_state(StateName::Completed);
    let State::Completed { result, .. } = &completed.state else { unreachable!() };
    assert_eq!(result.warnings, ["\"90s\" lies beyond the end"]);
    assert_eq!(in_state(StateName::Failed).state.failure().unwrap().message, "no frame could be decoded");
    let processing = in_state(StateName::Processing);
    assert_eq!(all.iter().filter_map(|found| found.queue_position).min(), Some(1));
    request_and_stream(&fixture);
    fixture.clock.advance_ms(-7 * 25 * 3_600_000);
    if has_keys {
        // The same request is known again.
        let request = Idempotency { key: "b".into(), request_hash: "ab".repeat(32) };
        let c = "c".parse().unwrap();
        let again = jobs.run(fixture.user, completed.id, Options::default(), c, None, Some(&request));
        let again = block_on(again).unwrap().id;
        assert!(all.iter().any(|found| found.video.id == again));
    }

    block_on(jobs.complete(processing.id, 1, worker(), extraction())).unwrap();
    block_on(jobs.notified(processing.id, 0, false)).unwrap();
    if has_keys {
        // The lease of the first request to store the file has ended, so that a repeated one acquires it.
        let request = Idempotency { key: "a".into(), request_hash: "ab".repeat(32) };
        fixture.advance_s(61);
        let again =
            block_on(jobs.create(fixture.user, new_video(Options::default()), Some(&request))).unwrap();
        let claim = block_on(jobs.acquire_upload_lease(fixture.user, again.id, &request)).unwrap();
        assert!(matches!(claim, super::super::UploadClaim::Acquired(_)));
    }
    block_on(jobs.delete(fixture.user, completed.id)).unwrap();
    let awaiting = in_state(StateName::AwaitingUpload);
    block_on(jobs.uploaded(fixture.user, awaiting.id)).unwrap();
    for found in &all {
        match block_on(jobs.cancel(fixture.user, found.video.id)) {
            Ok(_) | Err(JobError::AlreadyFinished | JobError::VideoNotFound) => {}
            Err(error) => panic!("{error}"),
        }
    }
    fixture.advance_s(60 * 24 * 3600);
    for _ in 0..20 {
        let swept = block_on(jobs.sweep()).unwrap();
        assert!(swept.user_errors.is_empty() && swept.page_errors.is_empty(), "{swept:?}");
    }
    let slots = block_on(Store::new(&fixture.kv, &fixture.clock).slots(fixture.user)).unwrap();
    assert!(slots.is_empty() && slots.used_bytes() == 0, "{slots:?}");
    fixture
}

#[test]
fn what_is_written_is_the_newest_layout() {
    golden::assert_written(NEWEST, &scenario().kv);
}

#[test]
fn videos_of_every_version_are_read_and_go_on() {
    for version in ["videos.v0", "videos.v1", "videos.v2", "videos.v3", "videos.v4", NEWEST] {
        let fixture = continue_videos(golden::load(version), !["videos.v0", "videos.v1"].contains(&version));
        let all = block_on(fixture.jobs().list(fixture.user, None, 100, None)).unwrap().items;
        for options in selections() {
            assert!(
                all.iter().any(|found| found.video.options.unpinned() == options),
                "{version}: {options:?}"
            );
        }
    }
}

/// The kind of value under a key.
fn kind(key: &str) -> &str {
    key.split('/').next().unwrap()
}

/// Checks that objects that are still there and of the same variant have the field that the next version put into them.
fn assert_kept(path: &str, before: &Value, after: &Value) {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return };
    if ["name", "kind"].iter().any(|tag| before.get(*tag) != after.get(*tag)) {
        return;
    }
    assert_eq!(before.get("new"), after.get("new"), "{path}");
    for (name, before) in before {
        if let Some(after) = after.get(name) {
            assert_kept(&format!("{path}/{name}"), before, after);
        }
    }
}

#[test]
fn videos_of_the_next_version_go_on_and_lose_nothing() {
    let before = golden::read("videos.next");
    let newest = golden::read(NEWEST);
    let kinds = |dump: &golden::Dump| dump.keys().map(|key| kind(key).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(kinds(&before), kinds(&newest));

    let after = golden::dump(&continue_videos(golden::load("videos.next"), true).kv);
    let mut changed = 0;
    // Cursors of the sweep are not merged, but set whole.
    for (key, before) in before.iter().filter(|(key, _)| kind(key) != "sweep") {
        let Some(after) = after.get(key) else {
            // Removed on purpose: the record of a deleted video, the list that had it, the schema of a removed plugin.
            let state = &before["value"]["state"]["name"];
            let was_deleted = *state == "deleted" || *state == "completed";
            let may_be_removed = match kind(key) {
                "expire" | "schema" => true,
                "video" => was_deleted,
                _ => false,
            };
            assert!(may_be_removed, "{key} is gone");
            continue;
        };
        changed += usize::from(after != before);
        assert_kept(key, before, after);
    }
    assert!(changed > 10);
    let failed = after.values().find(|value| value["value"]["state"]["failure"]["code"] == "of-tomorrow");
    assert_eq!(failed.unwrap()["value"]["state"]["failure"]["new"], 1);
}

#[test]
fn options_of_newer_code_are_preserved_and_not_processed() {
    let fixture = Fixture::new();
    let id = fixture.uploaded();
    let key = crate::store::keys::video(id);
    let stored = golden::dump(&fixture.kv)[&key].to_string();
    let newer = stored.replace(r#""select":{"every":"1s"}"#, r#""select":{"chapters":true}"#);
    assert_ne!(stored, newer);
    fixture.kv.load(&key, newer.into_bytes());
    assert_eq!(block_on(fixture.jobs().claim(id, worker(), None)), Err(JobError::JobNotReady));
    block_on(fixture.jobs().cancel(fixture.user, id)).unwrap();
    assert_eq!(
        golden::dump(&fixture.kv)[&key]["value"]["options"]["select"],
        serde_json::json!({"chapters": true})
    );
}

#[test]
fn a_damaged_record_is_reported_and_blocks_no_other_user() {
    let fixture = Fixture::new();
    let (damaged, canceled, good) = (fixture.claimed(), fixture.uploaded(), fixture.claimed());
    block_on(fixture.jobs().complete(good, 1, worker(), extraction())).unwrap();
    block_on(fixture.jobs().cancel(fixture.user, canceled)).unwrap();
    let key = crate::store::keys::video(damaged);
    fixture.kv.load(&key, br#"{"v":1,"rev":1,"ops":["x"],"value":{"state":"secret"}}"#.to_vec());
    let error = block_on(fixture.jobs().find(fixture.user, damaged)).unwrap_err();
    assert_eq!(error.code(), ProblemCode::RecordDamaged);
    let text = error.to_string();
    assert!(text.contains("damaged") && !text.contains("secret") && !text.contains(&key), "{text}");
    // One that would become too large.
    let multipart = Multipart { upload_id: "u".repeat(40_000), part_size: 1, part_count: 1 };
    let awaiting = fixture.create();
    let error = block_on(fixture.jobs().multipart_begun(fixture.user, awaiting, multipart)).unwrap_err();
    assert_eq!(error.code(), ProblemCode::RecordDamaged);

    let listed = block_on(fixture.jobs().list(fixture.user, None, 10, None)).unwrap().items;
    assert_eq!(listed.iter().map(|found| found.video.id).collect::<Vec<_>>(), [awaiting, good, canceled]);
    fixture.kv.load("sweep/work", b"{}}".to_vec());
    fixture.advance_s(30 * 24 * 3600);
    let mut user_errors = Vec::new();
    for _ in 0..3 {
        let swept = block_on(fixture.jobs().sweep()).unwrap();
        user_errors.extend(swept.user_errors.into_iter().map(|(_, error)| error.code()));
    }
    assert!(!user_errors.is_empty() && user_errors.iter().all(|code| *code == ProblemCode::RecordDamaged));
    assert_eq!(fixture.video(awaiting).state.name(), StateName::Expired);
    assert!(fixture.video(good).state.end().unwrap().purged, "the objects behind it go all the same");
}
