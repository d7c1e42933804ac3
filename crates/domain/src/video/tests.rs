//! Every event in every state, and what holds in any order of events.

use proptest::prelude::*;
use strum::VariantArray as _;

use super::*;
use crate::options::Format;
use crate::{PluginRef, Rational, Select, VideoId, WorkerId};

const NOW: i64 = 1_000_000;

fn at(seconds: i64) -> Time {
    Time::from_unix_ms(seconds * 1000)
}

fn worker(name: &str) -> WorkerId {
    name.parse().unwrap()
}

fn multipart(id: &str) -> Multipart {
    Multipart { upload_id: id.to_owned(), part_size: 8 << 20, part_count: 9 }
}

fn result() -> Extraction {
    Extraction {
        size_bytes: 9,
        frames: 3,
        sha256: [0xab; 32].into(),
        bytes_read: 5,
        decoded_ms: 1,
        warnings: vec![],
        indexed: true,
    }
}

fn failure() -> Failure {
    Failure::new(FailureCode::CorruptInput, "no frame could be decoded")
}

fn end() -> End {
    End { at: at(1), attempts: one_attempt(), progress: Progress::default(), purged: false }
}

fn one_attempt() -> Attempts {
    Attempts { made: 1, releases: 0, first_claim: Some(at(NOW - 50)) }
}

/// A state of each kind: the upload's time has passed, the lease is alive.
fn sample(name: StateName) -> State {
    match name {
        StateName::AwaitingUpload => State::AwaitingUpload { expires_at: at(NOW), multipart: None },
        StateName::Queued => State::Queued,
        StateName::Pending => State::Pending(Pending { attempts: one_attempt(), since: at(0) }),
        StateName::Processing => State::Processing(Processing {
            attempts: one_attempt(),
            started_at: at(NOW - 50),
            lease: Lease { worker: worker("w"), claim_id: Some("c".into()), expires_at: at(NOW + 10) },
            progress: Progress::default(),
        }),
        StateName::Completed => State::Completed { end: end(), result: result(), notified: false },
        StateName::Failed => State::Failed { end: end(), failure: failure(), notified: false },
        StateName::Canceled => State::Canceled { end: end(), uploaded: true, multipart: None },
        StateName::Expired => State::Expired { end: end(), multipart: None, notified: false },
        StateName::Deleted => State::Deleted { end: end(), multipart: None, removed: false },
    }
}

fn claimed(by: &str, claim_id: Option<&str>) -> Event {
    let claim_id = claim_id.map(str::to_owned);
    Event::Claimed { worker: worker(by), claim_id, lease_s: 60, max_job_s: 3600 }
}

fn progressed(attempt: u32, by: &str) -> Event {
    Event::Progressed { attempt, worker: worker(by), progress: Progress::default(), lease_s: 60 }
}

fn refused_as(state: State, event: Event, now: Time) -> Reason {
    let (name, event_name) = (state.name(), event.name());
    let refused = state.apply(event, now).unwrap_err();
    assert_eq!((refused.state, refused.event), (name, event_name));
    refused.reason
}

/// One column for each state in the order of [`StateName::VARIANTS`]: the letter of the state that
/// follows, or why not: `n`ot ready, `p`ast that, `s`tale, `h`eld, too `e`arly, `f`inished.
#[test]
fn every_event_in_every_state() {
    let (w, attempt) = (worker("w"), 1);
    let table = [
        (Event::MultipartBegun(multipart("u")), "A p p p f f f f f"),
        (Event::Queued, "Q Q p p f f f f f"),
        (Event::Dispatched, "P P P p f f f f f"),
        (Event::Expired, "E p p p f f f E f"),
        (claimed("x", Some("d")), "n n R h f f f f f"),
        (progressed(1, "w"), "s s s R f f f f f"),
        (Event::Completed { attempt, worker: w.clone(), result: result() }, "s s s C C f f f f"),
        (
            Event::Failed { attempt, worker: w.clone(), failure: failure(), decoded_ms: 1 },
            "s s s F f F f f f",
        ),
        (Event::Released { attempt, worker: w, since: at(NOW + 5) }, "s s P P f f f f f"),
        (Event::Reclaimed { grace_s: 300 }, "n n n e f f f f f"),
        (Event::Resent { grace_s: 600 }, "n n P p f f f f f"),
        (Event::GivenUp(failure()), "n n F F f F f f f"),
        (Event::Notified, "n n n n C F f E f"),
        (Event::Canceled, "X X X X f f X f f"),
        (Event::Deleted, "D D D D D D D D D"),
        (Event::Removed, "n n n n n n n n D"),
        (Event::Purged, "n n n n C F X E D"),
    ];
    for (event, row) in table {
        let columns: Vec<&str> = row.split(' ').collect();
        assert_eq!(columns.len(), StateName::VARIANTS.len());
        for (&name, expected) in StateName::VARIANTS.iter().zip(columns) {
            let letter = match sample(name).apply(event.clone(), at(NOW)) {
                Ok(state) => match state.name() {
                    StateName::AwaitingUpload => "A",
                    StateName::Queued => "Q",
                    StateName::Pending => "P",
                    StateName::Processing => "R",
                    StateName::Completed => "C",
                    StateName::Failed => "F",
                    StateName::Canceled => "X",
                    StateName::Expired => "E",
                    StateName::Deleted => "D",
                },
                Err(refused) => {
                    assert_eq!((refused.state, refused.event), (name, event.name()));
                    match refused.reason {
                        Reason::NotReady => "n",
                        Reason::AlreadyPast => "p",
                        Reason::Stale => "s",
                        Reason::LeaseHeld { .. } => "h",
                        Reason::DeadlinePassed => "d",
                        Reason::TooEarly => "e",
                        Reason::Finished => "f",
                    }
                }
            };
            assert_eq!(letter, expected, "{name} and {:?}", event.name());
        }
    }
}

#[test]
fn a_refusal_says_what_why_and_in_which_state() {
    let refused = sample(StateName::Processing).apply(claimed("x", None), at(NOW)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a video that is processing cannot be claimed: another worker holds it until 1970-01-12T13:46:50.000Z"
    );
}

#[test]
fn a_claim_sent_again_gets_the_same_attempt_with_a_fresh_lease() {
    let State::Processing(again) =
        sample(StateName::Processing).apply(claimed("w", Some("c")), at(NOW)).unwrap()
    else {
        panic!("not processing")
    };
    assert_eq!((again.attempts, again.lease.expires_at), (one_attempt(), at(NOW + 60)));
    // Neither another worker with that id nor the same one without an id gets it.
    for (by, id) in [("x", Some("c")), ("w", Some("d")), ("w", None)] {
        let held = refused_as(sample(StateName::Processing), claimed(by, id), at(NOW));
        assert_eq!(held, Reason::LeaseHeld { until: at(NOW + 10) }, "{by} {id:?}");
    }
}

#[test]
fn a_lapsed_lease_makes_room_for_the_next_attempt() {
    let State::Processing(next) =
        sample(StateName::Processing).apply(claimed("w", Some("c")), at(NOW + 10)).unwrap()
    else {
        panic!("not processing")
    };
    assert_eq!((next.attempts.made, next.attempts.releases), (2, 1));
    assert_eq!(next.started_at, at(NOW - 50));
    let next = State::Processing(next);
    assert_eq!(refused_as(next.clone(), progressed(1, "w"), at(NOW + 11)), Reason::Stale);
    assert_eq!(refused_as(next.clone(), progressed(2, "x"), at(NOW + 11)), Reason::Stale);
    assert!(next.apply(progressed(2, "w"), at(NOW + 11)).is_ok());
}

#[test]
fn a_lapsed_lease_that_nobody_took_can_be_renewed() {
    let late = at(NOW + 100);
    let State::Processing(renewed) = sample(StateName::Processing).apply(progressed(1, "w"), late).unwrap()
    else {
        panic!("not processing")
    };
    assert_eq!(renewed.lease.expires_at, at(NOW + 160));
}

#[test]
fn a_job_has_a_deadline_from_its_first_claim_on() {
    let deadline = at(NOW - 50 + 3600);
    for state in [StateName::Pending, StateName::Processing] {
        assert_eq!(refused_as(sample(state), claimed("x", None), deadline), Reason::DeadlinePassed);
    }
}

#[test]
fn an_upload_expires_at_its_time_and_a_job_is_reclaimed_after_its_grace() {
    let awaiting = sample(StateName::AwaitingUpload);
    assert_eq!(refused_as(awaiting, Event::Expired, at(NOW - 1)), Reason::TooEarly);
    let processing = sample(StateName::Processing);
    let back = Event::Reclaimed { grace_s: 300 };
    assert_eq!(refused_as(processing.clone(), back.clone(), at(NOW + 309)), Reason::TooEarly);
    let State::Pending(pending) = processing.apply(back, at(NOW + 310)).unwrap() else {
        panic!("not pending")
    };
    assert_eq!((pending.attempts.made, pending.attempts.releases, pending.since), (1, 1, at(NOW + 310)));
    let stale = Event::Completed { attempt: 1, worker: worker("w"), result: result() };
    assert_eq!(refused_as(State::Pending(pending), stale, at(NOW + 311)), Reason::Stale);
}

#[test]
fn a_message_is_sent_again_once_for_each_grace() {
    let again = Event::Resent { grace_s: 600 };
    let resent = sample(StateName::Pending).apply(again.clone(), at(NOW)).unwrap();
    assert_eq!(refused_as(resent, again, at(NOW + 599)), Reason::TooEarly);
}

#[test]
fn the_first_multipart_upload_stays_and_is_known_after_the_end() {
    let begun =
        sample(StateName::AwaitingUpload).apply(Event::MultipartBegun(multipart("a")), at(1)).unwrap();
    let second = begun.apply(Event::MultipartBegun(multipart("b")), at(1)).unwrap();
    for event in [Event::Canceled, Event::Expired, Event::Deleted] {
        let ended = second.clone().apply(event, at(NOW)).unwrap();
        assert_eq!(ended.multipart(), Some(&multipart("a")));
        assert!(!ended.is_uploaded());
    }
}

#[test]
fn only_a_completed_video_has_a_result_and_only_for_its_time() {
    let limits = Limits { retention_s: 100, ..Limits::default() };
    for &name in StateName::VARIANTS {
        let video = video(sample(name));
        assert_eq!(video.result_kept(at(100), &limits), name == StateName::Completed);
        assert!(!video.result_kept(at(101), &limits));
        assert_eq!(video.purge_at(&limits).is_some(), video.state.is_terminal());
    }
    let purged = video(sample(StateName::Completed).apply(Event::Purged, at(2)).unwrap());
    assert!(!purged.result_kept(at(2), &limits));
}

fn video(state: State) -> Video {
    let id = VideoId::new(1, [1; 10]);
    Video {
        id,
        owner: UserId::new(1, [2; 10]),
        file_name: "a.mp4".into(),
        size_bytes: 1,
        content_type: None,
        options: Options::default(),
        correlation_id: id.into(),
        trace_parent: None,
        source: Source::own(id),
        created_at: at(0),
        state,
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let attempt = 0..4_u32;
    let who = prop_oneof![Just("w"), Just("x")];
    prop_oneof![
        "[ab]".prop_map(|id| Event::MultipartBegun(multipart(&id))),
        Just(Event::Queued),
        Just(Event::Dispatched),
        Just(Event::Expired),
        (who.clone(), prop::option::of("[cd]")).prop_map(|(by, id)| claimed(by, id.as_deref())),
        (attempt.clone(), who.clone()).prop_map(|(attempt, by)| progressed(attempt, by)),
        (attempt.clone(), who.clone(), 0..9_u64).prop_map(|(attempt, by, frames)| Event::Completed {
            attempt,
            worker: worker(by),
            result: Extraction { frames, ..result() },
        }),
        (attempt.clone(), who.clone()).prop_map(|(attempt, by)| Event::Failed {
            attempt,
            worker: worker(by),
            failure: failure(),
            decoded_ms: 1,
        }),
        (attempt, who).prop_map(|(attempt, by)| Event::Released {
            attempt,
            worker: worker(by),
            since: at(NOW),
        }),
        Just(Event::Reclaimed { grace_s: 30 }),
        Just(Event::Resent { grace_s: 60 }),
        Just(Event::GivenUp(failure())),
        Just(Event::Notified),
        Just(Event::Canceled),
        Just(Event::Deleted),
        Just(Event::Removed),
        Just(Event::Purged),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order(events in prop::collection::vec((any_event(), 0..200_i64), 1..60)) {
        let mut now = 0;
        let mut state = State::AwaitingUpload { expires_at: at(2_000), multipart: None };
        for (event, wait) in events {
            now += wait;
            let before = state.clone();
            let Ok(after) = state.clone().apply(event.clone(), at(now)) else { continue };
            let attempts = (before.attempts(), after.attempts());
            prop_assert!(attempts.0.made <= attempts.1.made && attempts.0.releases <= attempts.1.releases);
            prop_assert!(attempts.1.releases <= attempts.1.made);
            prop_assert!(attempts.0.first_claim.is_none() || attempts.0.first_claim == attempts.1.first_claim);
            if before.is_terminal() {
                // The end is the end, but for a deletion; a result never changes.
                prop_assert!(after.name() == before.name() || after.name() == StateName::Deleted);
                let purged = [&before, &after].map(|state| state.end().is_some_and(|end| end.purged));
                prop_assert!(purged[0] <= purged[1], "objects came back");
                if let (State::Completed { result: a, .. }, State::Completed { result: b, .. }) = (&before, &after) {
                    prop_assert_eq!(a, b);
                }
                if after.name() == before.name() {
                    prop_assert_eq!(before.end().map(|end| end.at), after.end().map(|end| end.at));
                }
            }
            if after.name() == StateName::Completed {
                prop_assert!(attempts.1.made > 0);
            }
            prop_assert_eq!(after.name() == StateName::Failed, after.failure().is_some());
            // What has had its effect may come again, and changes nothing.
            let repeats = !matches!(event, Event::Claimed { claim_id: None, .. }
                | Event::Reclaimed { .. } | Event::Resent { .. });
            if repeats {
                let again = after.clone().apply(event, at(now));
                prop_assert_eq!(again, Ok(after.clone()));
            }
            let json = serde_json::to_string(&after).unwrap();
            prop_assert_eq!(serde_json::from_str::<State>(&json).unwrap(), after.clone());
            state = after;
        }
    }
}

#[test]
fn a_job_is_short_where_its_file_or_what_is_asked_of_it_is_small() {
    let video = |size_bytes, options| Video {
        id: VideoId::new(1, [1; 10]),
        owner: crate::UserId::new(1, [2; 10]),
        file_name: "a.mp4".into(),
        size_bytes,
        content_type: None,
        options,
        correlation_id: "c".parse().unwrap(),
        trace_parent: None,
        source: Source::own(VideoId::new(1, [1; 10])),
        created_at: at(0),
        state: State::Queued,
    };
    let select = |select| Options { select, ..Options::default() };
    let every = |text: &str| select(Select::Every(Rational::parse_decimal(text).unwrap()));
    let avif = |options| Options { format: Format::Avif, ..options };
    let plugin = |options| Options { plugins: vec![PluginRef::new("mine", "{}")], ..options };
    let few = || select(Select::At(vec!["50%".parse().unwrap(); 10]));
    for (size_bytes, options, lane) in [
        (16 << 20, every("1"), Lane::Short),
        ((16 << 20) + 1, every("1"), Lane::Main),
        (16 << 20, every("0.5"), Lane::Main),
        (16 << 20, select(Select::Keyframes), Lane::Short),
        (16 << 20, select(Select::All), Lane::Main),
        (16 << 20, avif(every("1")), Lane::Main),
        (16 << 20, plugin(every("1")), Lane::Main),
        (1 << 30, few(), Lane::Short),
        (1 << 30, plugin(avif(few())), Lane::Short),
        ((1 << 30) + 1, few(), Lane::Main),
        (1 << 30, select(Select::Count(11)), Lane::Main),
    ] {
        assert_eq!(video(size_bytes, options.clone()).lane(), lane, "{size_bytes} {options:?}");
    }
}
