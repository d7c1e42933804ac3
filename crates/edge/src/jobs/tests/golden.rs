//! Videos that earlier and later versions stored.

use framelift_contract::webhook::{DeliveryOutcome, DeliveryReport, EventData, EventType};
use framelift_domain::options::{Fit, Format, Range, Resize};
use framelift_domain::video::Stage;
use framelift_domain::{EventId, PluginRef, Rational};

use super::*;
use crate::jobs::plugins::Checked;
use crate::store::Store;
use crate::store::golden;

/// One video in every state, one with every selection, and all other values beside them.
fn scenario() -> Desk {
    let desk = Desk { limits: Limits { max_in_flight_per_user: 3, ..Limits::default() }, ..Desk::new() };
    let jobs = desk.jobs();
    let request = |key: &str| Idempotency { key: key.into(), request_hash: "ab".repeat(32) };
    let multipart = || Multipart { upload_id: "an upload".into(), part_size: 5 << 20, part_count: 2 };

    let completed = desk.claimed();
    let mut result = extraction();
    result.warnings = vec!["\"90s\" lies beyond the end".into()];
    block_on(jobs.complete(completed, 1, worker(), result)).unwrap();
    block_on(jobs.notified(completed, 0, false)).unwrap();
    let failed = desk.claimed();
    let failure = Failure::new(FailureCode::CorruptInput, "no frame could be decoded");
    block_on(jobs.fail(failed, 1, worker(), failure, 700)).unwrap();
    block_on(jobs.notified(failed, 1, true)).unwrap();
    block_on(jobs.claim_delivery(failed.into())).unwrap();
    let test = EventData::Test { test: true };
    let (id, c) = (EventId::new(1, [7; 10]), "c".parse().unwrap());
    block_on(jobs.note_event(desk.user, id, EventType::WebhookTest, &c, test)).unwrap();
    let report = DeliveryReport {
        attempt: 1,
        worker_id: worker(),
        outcome: DeliveryOutcome::Retry,
        status: Some(500),
        error: Some("the receiver answered 500".into()),
    };
    block_on(jobs.attempted(id, &report)).unwrap();
    let canceled = desk.create();
    block_on(jobs.multipart_begun(desk.user, canceled, multipart())).unwrap();
    block_on(jobs.cancel(desk.user, canceled)).unwrap();
    let deleted = desk.claimed();
    block_on(jobs.complete(deleted, 1, worker(), extraction())).unwrap();
    block_on(jobs.delete(desk.user, deleted)).unwrap();
    let _expired = desk.create();
    desk.advance_s(25 * 3600);
    block_on(jobs.sweep()).unwrap();

    let awaiting =
        block_on(jobs.create(desk.user, new_video(Options::default()), Some(&request("a")))).unwrap();
    block_on(jobs.multipart_begun(desk.user, awaiting.id, multipart())).unwrap();
    block_on(jobs.take_turn(desk.user, awaiting.id, &request("a"))).unwrap();
    let released = desk.claimed();
    block_on(jobs.release(released, 1, worker(), internal())).unwrap();
    let processing = desk.uploaded();
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
    desk.queue.set_faults(100);
    let unsent = desk.create();
    block_on(jobs.uploaded(desk.user, unsent)).unwrap_err();
    desk.queue.set_faults(0);
    let queued = desk.create();
    let _ = block_on(jobs.uploaded(desk.user, queued));
    block_on(jobs.run(
        desk.user,
        completed,
        Options::default(),
        "c".parse().unwrap(),
        None,
        Some(&request("b")),
    ))
    .unwrap();
    for options in selections() {
        let video = block_on(jobs.create(desk.user, new_video(options), Some(&request("c")))).unwrap();
        if let Ok(super::super::Claimed::Turn(turn)) =
            block_on(jobs.take_turn(desk.user, video.id, &request("c")))
        {
            block_on(jobs.end_turn(&turn, "cd".repeat(32))).unwrap();
        }
        desk.advance_s(25 * 3600);
    }
    plugins_of(&desk);
    // A page of the index, and a creation that somebody left half done.
    let store = Store::new(&desk.kv, &desk.clock);
    for n in 0..101 {
        block_on(store.append(UserId::new(1, [2; 10]), VideoId::new(n, [n as u8; 10]))).unwrap();
    }
    block_on(crate::ports::Kv::increment(&desk.kv, "new/index/x", 1)).unwrap();
    block_on(store.create("index/x", &crate::store::index::Head::default())).unwrap_err();
    desk
}

/// A plugin in each state, and a video that runs one.
fn plugins_of(desk: &Desk) {
    let (jobs, user, correlation_id) = (desk.jobs(), desk.user, "c".parse().unwrap());
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

/// Continues stored videos, by every call that writes them.
fn go_on(kv: MemoryKv) -> Desk {
    let desk = Desk { kv, ..scenario() };
    let jobs = desk.jobs();
    let all = block_on(jobs.list(desk.user, None, 100, None)).unwrap().items;
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
    // The same request is known again, and its sender is still at work.
    let request = Idempotency { key: "b".into(), request_hash: "ab".repeat(32) };
    desk.clock.advance_ms(-7 * 25 * 3_600_000);
    let again =
        jobs.run(desk.user, completed.id, Options::default(), "c".parse().unwrap(), None, Some(&request));
    let again = block_on(again).unwrap().id;
    assert!(all.iter().any(|found| found.video.id == again));

    block_on(jobs.complete(processing.id, 1, worker(), extraction())).unwrap();
    block_on(jobs.notified(processing.id, 0, false)).unwrap();
    block_on(jobs.delete(desk.user, completed.id)).unwrap();
    let awaiting = in_state(StateName::AwaitingUpload);
    block_on(jobs.uploaded(desk.user, awaiting.id)).unwrap();
    for found in &all {
        match block_on(jobs.cancel(desk.user, found.video.id)) {
            Ok(_) | Err(JobError::AlreadyFinished | JobError::VideoNotFound) => {}
            Err(error) => panic!("{error}"),
        }
    }
    desk.advance_s(60 * 24 * 3600);
    for _ in 0..20 {
        let swept = block_on(jobs.sweep()).unwrap();
        assert!(swept.troubles.is_empty() && swept.unread.is_empty(), "{swept:?}");
    }
    let slots = block_on(Store::new(&desk.kv, &desk.clock).slots(desk.user)).unwrap();
    assert!(slots.is_empty() && slots.used_bytes() == 0, "{slots:?}");
    desk
}

#[test]
fn what_is_written_is_the_newest_layout() {
    golden::assert_written("videos.v4", &scenario().kv);
}

#[test]
fn videos_of_every_version_are_read_and_go_on() {
    for version in ["videos.v0", "videos.v1", "videos.v2", "videos.v3", "videos.v4"] {
        let desk = go_on(golden::load(version));
        let all = block_on(desk.jobs().list(desk.user, None, 100, None)).unwrap().items;
        for options in selections() {
            assert!(
                all.iter().any(|found| found.video.options.unpinned() == options),
                "{version}: {options:?}"
            );
        }
    }
}

#[test]
fn videos_of_the_next_version_go_on_and_lose_nothing() {
    let before = golden::read("videos.next");
    let after = golden::dump(&go_on(golden::load("videos.next")).kv);
    let mut changed = 0;
    // Where the sweep goes on is set whole, and may be forgotten.
    for (key, before) in before.iter().filter(|(key, _)| !key.starts_with("sweep/")) {
        changed += usize::from(after[key] != *before);
        // Version 2 put a field into every object.
        assert_eq!(after[key]["new"], before["new"], "{key}");
        assert_eq!(after[key]["value"]["new"], before["value"]["new"], "{key}");
    }
    assert!(changed > 10);
    let failed = after.values().find(|value| value["value"]["state"]["failure"]["code"] == "of-tomorrow");
    assert_eq!(failed.unwrap()["value"]["state"]["failure"]["new"], 1);
}

#[test]
fn what_cannot_be_understood_is_not_worked_on_and_not_lost() {
    let desk = Desk::new();
    let id = desk.uploaded();
    let key = crate::store::keys::video(id);
    let stored = golden::dump(&desk.kv)[&key].to_string();
    let newer = stored.replace(r#""select":{"every":"1s"}"#, r#""select":{"chapters":true}"#);
    assert_ne!(stored, newer);
    desk.kv.load(&key, newer.into_bytes());
    assert_eq!(block_on(desk.jobs().claim(id, worker(), None)), Err(JobError::JobNotReady));
    block_on(desk.jobs().cancel(desk.user, id)).unwrap();
    assert_eq!(
        golden::dump(&desk.kv)[&key]["value"]["options"]["select"],
        serde_json::json!({"chapters": true})
    );
}

#[test]
fn a_damaged_record_is_told_and_holds_nobody_up() {
    let desk = Desk::new();
    let (damaged, canceled, good) = (desk.claimed(), desk.uploaded(), desk.claimed());
    block_on(desk.jobs().complete(good, 1, worker(), extraction())).unwrap();
    block_on(desk.jobs().cancel(desk.user, canceled)).unwrap();
    let key = crate::store::keys::video(damaged);
    desk.kv.load(&key, br#"{"v":1,"rev":1,"ops":["x"],"value":{"state":"secret"}}"#.to_vec());
    let error = block_on(desk.jobs().find(desk.user, damaged)).unwrap_err();
    assert_eq!(error.code(), ProblemCode::RecordDamaged);
    let text = error.to_string();
    assert!(text.contains("damaged") && !text.contains("secret") && !text.contains(&key), "{text}");
    // One that would become too large.
    let multipart = Multipart { upload_id: "u".repeat(40_000), part_size: 1, part_count: 1 };
    let awaiting = desk.create();
    let error = block_on(desk.jobs().multipart_begun(desk.user, awaiting, multipart)).unwrap_err();
    assert_eq!(error.code(), ProblemCode::RecordDamaged);

    let listed = block_on(desk.jobs().list(desk.user, None, 10, None)).unwrap().items;
    assert_eq!(listed.iter().map(|found| found.video.id).collect::<Vec<_>>(), [awaiting, good, canceled]);
    desk.kv.load("sweep/work", b"{}}".to_vec());
    desk.advance_s(30 * 24 * 3600);
    let mut troubles = Vec::new();
    for _ in 0..3 {
        let swept = block_on(desk.jobs().sweep()).unwrap();
        troubles.extend(swept.troubles.into_iter().map(|(_, error)| error.code()));
    }
    assert!(!troubles.is_empty() && troubles.iter().all(|code| *code == ProblemCode::RecordDamaged));
    assert_eq!(desk.video(awaiting).state.name(), StateName::Expired);
    assert!(desk.video(good).state.end().unwrap().purged, "the objects behind it go all the same");
}
