//! The rules of single operations, on a store without faults.

mod damage;
mod days;
mod fairness;
mod golden;

use framelift_contract::message::NoticeKind;
use framelift_contract::object_key;
use framelift_contract::problem::ProblemCode;
use framelift_contract::video::Status;
use framelift_domain::video::{Event, Extraction, Multipart, Progress, State, StateName};
use framelift_domain::{
    Failure, FailureCode, Limits, Options, Place, Select, UserId, Video, VideoId, WorkerId,
};
use futures::executor::block_on;

use super::{Found, Idempotency, JobError, Jobs, NewVideo, view};
use crate::ports::Ambient;
use crate::store::memory::{MemoryKv, MemoryObjects, MemoryQueue, TestAmbient};

struct Fixture {
    kv: MemoryKv,
    queue: MemoryQueue,
    objects: MemoryObjects,
    clock: TestAmbient,
    limits: Limits,
    user: UserId,
}

impl Fixture {
    fn new() -> Self {
        Self {
            kv: MemoryKv::default(),
            queue: MemoryQueue::default(),
            objects: MemoryObjects::default(),
            clock: TestAmbient::new(1),
            limits: Limits::default(),
            user: UserId::new(1, [1; 10]),
        }
    }

    fn jobs(&self) -> Jobs<'_, MemoryKv, MemoryQueue, &MemoryObjects, TestAmbient> {
        Jobs::new(&self.kv, &self.queue, &self.objects, &self.clock, &self.limits)
    }

    fn create(&self) -> VideoId {
        block_on(self.jobs().create(self.user, new_video(Options::default()), None)).unwrap().id
    }

    fn uploaded(&self) -> VideoId {
        let id = self.create();
        block_on(self.jobs().uploaded(self.user, id)).unwrap();
        id
    }

    fn claimed(&self) -> VideoId {
        let id = self.uploaded();
        block_on(self.jobs().claim(id, worker(), None)).unwrap();
        id
    }

    fn video(&self, id: VideoId) -> Video {
        block_on(self.jobs().find(self.user, id)).unwrap().video
    }

    fn advance_s(&self, seconds: i64) {
        self.clock.advance_ms(seconds * 1000);
    }

    /// Sweeps until nothing changes. Returns the messages that were sent.
    fn sweep(&self) -> Vec<(VideoId, Option<NoticeKind>)> {
        self.queue.take();
        for _ in 0..3 {
            let swept = block_on(self.jobs().sweep()).unwrap();
            assert!(swept.user_errors.is_empty() && swept.page_errors.is_empty(), "{swept:?}");
        }
        self.queue.take().into_iter().map(|(message, _)| (message.video_id, message.notice)).collect()
    }
}

fn worker() -> WorkerId {
    "w".parse().unwrap()
}

fn new_video(options: Options) -> NewVideo {
    NewVideo {
        file_name: "a.mp4".into(),
        size_bytes: 10,
        content_type: Some("video/mp4".into()),
        options,
        correlation_id: "c".parse().unwrap(),
        trace_parent: None,
    }
}

fn extraction() -> Extraction {
    Extraction {
        size_bytes: 1,
        frames: 2,
        sha256: [0xab; 32].into(),
        bytes_read: 10,
        decoded_ms: 1_500,
        warnings: vec![],
        indexed: false,
    }
}

fn internal() -> Failure {
    Failure::new(FailureCode::Internal, "the store did not answer")
}

#[test]
fn another_users_video_is_refused_and_an_unknown_one_is_not_found() {
    let fixture = Fixture::new();
    let id = fixture.uploaded();
    let (other, unknown) = (UserId::new(1, [2; 10]), VideoId::new(9, [9; 10]));
    let jobs = fixture.jobs();
    let run =
        |user, id| block_on(jobs.run(user, id, Options::default(), "c".parse().unwrap(), None, None)).err();
    for (user, id, expected) in [
        (other, id, JobError::VideoNotOwned),
        (fixture.user, unknown, JobError::VideoNotFound),
        (other, unknown, JobError::VideoNotFound),
    ] {
        let expected = Some(expected);
        assert_eq!(block_on(jobs.find(user, id)).err(), expected);
        assert_eq!(block_on(jobs.uploaded(user, id)).err(), expected);
        assert_eq!(block_on(jobs.cancel(user, id)).err(), expected);
        assert_eq!(block_on(jobs.delete(user, id)).err(), expected);
        assert_eq!(block_on(jobs.queue_notice(user, id, NoticeKind::Failed)).err(), expected);
        assert_eq!(run(user, id), expected);
    }
    assert_eq!(block_on(jobs.claim(unknown, worker(), None)).err(), Some(JobError::VideoNotFound));
}

#[test]
fn a_job_is_claimed_when_it_is_its_turn_and_by_one_worker() {
    let fixture = Fixture::new();
    let awaiting = fixture.create();
    let claim =
        |id| block_on(fixture.jobs().claim(id, worker(), None)).map(|video| video.state.attempts().made);
    assert_eq!(claim(awaiting), Err(JobError::JobNotReady));
    let id = fixture.uploaded();
    assert_eq!(claim(id), Ok(1));
    fixture.advance_s(20);
    assert_eq!(claim(id), Err(JobError::LeaseHeld { retry_after_s: 40 }));
    fixture.advance_s(40);
    assert_eq!(claim(id), Ok(2));
    let stale = block_on(fixture.jobs().complete(id, 1, worker(), extraction())).unwrap_err();
    assert_eq!(stale.code(), ProblemCode::StaleAttempt);
    block_on(fixture.jobs().complete(id, 2, worker(), extraction())).unwrap();
    assert_eq!(claim(id), Err(JobError::JobFinished));
    let late = block_on(fixture.jobs().fail(id, 2, worker(), internal(), 0)).unwrap_err();
    assert_eq!(late.code(), ProblemCode::JobFinished);
}

#[test]
fn a_released_job_is_delayed_longer_each_time_and_finally_fails() {
    let mut fixture = Fixture::new();
    fixture.limits.max_releases = 12;
    let id = fixture.uploaded();
    let mut delays = Vec::new();
    for attempt in 1..=12 {
        block_on(fixture.jobs().claim(id, worker(), None)).unwrap();
        fixture.queue.take();
        let released = block_on(fixture.jobs().release(id, attempt, worker(), internal())).unwrap();
        assert_eq!(released.state.name(), StateName::Pending);
        let sent = fixture.queue.take();
        assert_eq!(sent.len(), 1);
        delays.push(sent[0].1);
        // The answer was lost: the same again gives the same, and another message at most.
        let again = block_on(fixture.jobs().release(id, attempt, worker(), internal())).unwrap();
        assert_eq!(again.state, released.state);
        fixture.advance_s(900);
    }
    for (n, delay) in (1..).zip(&delays) {
        let most = 2_u32.pow(n).min(900);
        assert!((most / 2..=most).contains(delay), "delay {n} is {delay}");
    }
    block_on(fixture.jobs().claim(id, worker(), None)).unwrap();
    let failed = block_on(fixture.jobs().release(id, 13, worker(), internal())).unwrap();
    let failure = failed.state.failure().unwrap();
    assert_eq!(failure.code, FailureCode::Internal);
    assert_eq!(failure.message, "gave up after 13 attempts: the store did not answer");
}

#[test]
fn a_job_past_its_deadline_fails_and_its_owner_is_notified() {
    let fixture = Fixture::new();
    let (claimed, lapsed) = (fixture.claimed(), fixture.claimed());
    fixture.advance_s(i64::from(fixture.limits.max_job_s));
    assert_eq!(block_on(fixture.jobs().claim(claimed, worker(), None)), Err(JobError::JobFinished));
    let notice = block_on(fixture.jobs().notice(claimed)).unwrap().unwrap();
    assert_eq!(notice.failure.unwrap().code, FailureCode::TimedOut);
    fixture.advance_s(600);
    assert!(fixture.sweep().contains(&(lapsed, Some(NoticeKind::Failed))));
    assert_eq!(fixture.video(lapsed).state.failure().unwrap().code, FailureCode::TimedOut);
    block_on(fixture.jobs().notified(lapsed, 0, false)).unwrap();
    assert_eq!(block_on(fixture.jobs().notice(lapsed)), Ok(None));
}

#[test]
fn stalled_jobs_are_sent_again() {
    let fixture = Fixture::new();
    let (pending, processing) = (fixture.uploaded(), fixture.claimed());
    assert_eq!(fixture.sweep(), []);
    fixture.advance_s(360);
    assert_eq!(fixture.sweep(), [(processing, None)]);
    assert_eq!(fixture.video(processing).state.name(), StateName::Pending);
    fixture.advance_s(240);
    assert_eq!(fixture.sweep(), [(pending, None)]);
    assert_eq!(fixture.sweep(), []);
}

#[test]
fn an_upload_that_never_came_expires() {
    let fixture = Fixture::new();
    let id = fixture.create();
    let multipart = |id: &str| Multipart { upload_id: id.into(), part_size: 5, part_count: 2 };
    for upload_id in ["first", "second"] {
        fixture.objects.begin(object_key::upload(fixture.user, id), upload_id.to_owned());
        let video = block_on(fixture.jobs().multipart_begun(fixture.user, id, multipart(upload_id))).unwrap();
        assert_eq!(video.state.multipart(), Some(&multipart("first")));
    }
    let key = object_key::upload(fixture.user, id);
    assert!(fixture.objects.is_begun(&key, "first") && !fixture.objects.is_begun(&key, "second"));
    fixture.advance_s(i64::from(fixture.limits.upload_ttl_s));
    let swept = block_on(fixture.jobs().sweep()).unwrap();
    assert_eq!(swept.answer.expired_uploads, 1);
    assert_eq!(fixture.objects.left(), Vec::<String>::new());
    assert_eq!(fixture.video(id).state.name(), StateName::Expired);
    assert_eq!(block_on(fixture.jobs().uploaded(fixture.user, id)), Err(JobError::AlreadyFinished));
    let late = block_on(fixture.jobs().multipart_begun(fixture.user, id, multipart("x"))).unwrap();
    assert_eq!((late.state.name(), late.state.multipart()), (StateName::Expired, Some(&multipart("first"))));
}

#[test]
fn canceling_frees_the_slot_and_may_be_repeated() {
    let mut fixture = Fixture::new();
    fixture.limits.max_in_flight_per_user = 1;
    let (first, second, third) = (fixture.uploaded(), fixture.uploaded(), fixture.create());
    fixture.queue.take();
    let upload = |id| object_key::upload(fixture.user, id);
    for id in [first, third] {
        fixture.objects.put(upload(id));
    }
    for _ in 0..2 {
        let canceled = block_on(fixture.jobs().cancel(fixture.user, first)).unwrap();
        assert_eq!(canceled.state.name(), StateName::Canceled);
        assert!(fixture.objects.contains(&upload(first)), "a run may still use the upload");
    }
    let sent: Vec<VideoId> = fixture.queue.take().into_iter().map(|(message, _)| message.video_id).collect();
    assert_eq!(sent, [second]);
    block_on(fixture.jobs().cancel(fixture.user, third)).unwrap();
    assert!(!fixture.objects.contains(&upload(third)), "an upload that was not handed over is of no use");
    let id = fixture.claimed_of(second);
    block_on(fixture.jobs().complete(id, 1, worker(), extraction())).unwrap();
    assert_eq!(block_on(fixture.jobs().cancel(fixture.user, second)), Err(JobError::AlreadyFinished));
}

impl Fixture {
    fn claimed_of(&self, id: VideoId) -> VideoId {
        block_on(self.jobs().claim(id, worker(), None)).unwrap();
        id
    }
}

#[test]
fn a_notice_is_queued_only_for_the_state_that_was_reached() {
    let fixture = Fixture::new();
    let id = fixture.claimed();
    let queue = |kind| block_on(fixture.jobs().queue_notice(fixture.user, id, kind));
    assert_eq!(queue(NoticeKind::Completed), Err(JobError::JobNotReady));
    block_on(fixture.jobs().complete(id, 1, worker(), extraction())).unwrap();
    assert_eq!(queue(NoticeKind::Failed), Err(JobError::JobNotReady));
    fixture.queue.take();
    queue(NoticeKind::Completed).unwrap();
    assert_eq!(fixture.queue.take()[0].0.notice, Some(NoticeKind::Completed));
}

#[test]
fn a_list_is_stable_while_videos_arrive() {
    let mut fixture = Fixture::new();
    fixture.limits.max_open_per_user = 1000;
    let ids: Vec<VideoId> = (0..230).map(|_| fixture.create()).collect();
    let page = |cursor: Option<&str>| block_on(fixture.jobs().list(fixture.user, cursor, 100, None)).unwrap();
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = page(cursor.as_deref());
        listed.extend(page.items.iter().map(|found| found.video.id));
        fixture.create();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(listed.iter().eq(ids.iter().rev()));
    assert_eq!(block_on(fixture.jobs().list(fixture.user, Some("?"), 1, None)), Err(JobError::BadCursor));
    let done = block_on(fixture.jobs().list(fixture.user, None, 100, Some(Status::Completed))).unwrap();
    assert_eq!((done.items.len(), done.next_cursor), (0, None));
}

#[test]
fn options_too_large_for_a_record_are_refused_and_all_others_fit() {
    let fixture = Fixture::new();
    let at = |n: u64| Options {
        select: Select::At((0..n).map(|n| Place::Frame(999_999_000_000 + n)).collect()),
        ..Options::default()
    };
    let create = |options| block_on(fixture.jobs().create(fixture.user, new_video(options), None));
    assert!(matches!(create(at(1000)), Err(JobError::OptionsTooLarge { .. })));
    let id = create(at(700)).unwrap().id;
    // The largest record of all: shared to the full, with all warnings that fit.
    block_on(fixture.jobs().uploaded(fixture.user, id)).unwrap();
    for _ in 0..99 {
        block_on(fixture.jobs().run(fixture.user, id, Options::default(), "c".parse().unwrap(), None, None))
            .unwrap();
    }
    let one_more =
        block_on(fixture.jobs().run(fixture.user, id, Options::default(), "c".parse().unwrap(), None, None));
    assert_eq!(one_more, Err(JobError::TooManyRuns { limit: 100 }));
    fixture.claimed_of(id);
    let warnings = vec!["\u{1}".repeat(500); 100];
    let result = Extraction { warnings, ..extraction() };
    let done = block_on(fixture.jobs().complete(id, 1, worker(), result)).unwrap();
    assert_eq!(done.state.name(), StateName::Completed);
}

#[test]
fn a_key_of_another_kind_of_request_never_hands_over_an_unchecked_upload() {
    let fixture = Fixture::new();
    let key = Idempotency { key: "k".into(), request_hash: "h".into() };
    let awaiting =
        block_on(fixture.jobs().create(fixture.user, new_video(Options::default()), Some(&key))).unwrap();
    let done = fixture.uploaded();
    let run = block_on(fixture.jobs().run(
        fixture.user,
        done,
        Options::default(),
        "c".parse().unwrap(),
        None,
        Some(&key),
    ));
    assert_eq!(run, Err(JobError::IdempotencyKeyReused));
    assert_eq!(fixture.video(awaiting.id).state.name(), StateName::AwaitingUpload);
    assert_eq!(
        block_on(fixture.jobs().remember(fixture.user, done, &key)),
        Err(JobError::IdempotencyKeyReused)
    );
    block_on(fixture.jobs().remember(fixture.user, awaiting.id, &key)).unwrap();
}

#[test]
fn a_closed_account_leaves_tombstones_only() {
    let fixture = Fixture::new();
    let done = fixture.claimed();
    block_on(fixture.jobs().complete(done, 1, worker(), extraction())).unwrap();
    let ids = [done, fixture.uploaded(), fixture.create()];
    block_on(fixture.jobs().close_user(fixture.user)).unwrap();
    fixture.sweep();
    for id in ids {
        assert_eq!(block_on(fixture.jobs().find(fixture.user, id)), Err(JobError::VideoNotFound));
    }
    let page = block_on(fixture.jobs().list(fixture.user, None, 10, None)).unwrap();
    assert!(page.items.is_empty());
    let late = block_on(fixture.jobs().create(fixture.user, new_video(Options::default()), None));
    assert_eq!(late, Err(JobError::AccountClosed));
    // An account that never had a video can be closed, too.
    let other = UserId::new(5, [5; 10]);
    block_on(fixture.jobs().close_user(other)).unwrap();
    assert_eq!(block_on(fixture.jobs().is_closed(other)), Ok(true));
}

#[test]
fn the_record_shows_exactly_what_its_state_has() {
    let mut fixture = Fixture::new();
    fixture.limits.max_in_flight_per_user = 1;
    let completed = fixture.claimed();
    block_on(fixture.jobs().complete(completed, 1, worker(), extraction())).unwrap();
    let failed = fixture.claimed();
    block_on(fixture.jobs().fail(failed, 1, worker(), internal(), 0)).unwrap();
    let (processing, queued, canceled, awaiting) =
        (fixture.claimed(), fixture.uploaded(), fixture.uploaded(), fixture.create());
    block_on(fixture.jobs().cancel(fixture.user, canceled)).unwrap();
    for id in [completed, failed, processing, queued, canceled, awaiting] {
        let found = block_on(fixture.jobs().find(fixture.user, id)).unwrap();
        let shown = view::video(&found);
        assert_eq!(shown.completed_at.is_some(), shown.status.is_terminal(), "{shown:?}");
        assert_eq!(shown.result.is_some(), shown.status == Status::Completed);
        assert_eq!(shown.failure.is_some(), shown.status == Status::Failed);
        assert_eq!(shown.queue_position, (shown.status == Status::Queued).then_some(1));
        assert_eq!(shown.started_at.is_some(), shown.attempt > 0);
        assert_eq!(view::job(&found.video, &fixture.limits).is_some(), shown.status == Status::Processing);
        assert_eq!(view::accepted(&found.video).status, shown.status);
    }
    let Found { video, .. } = block_on(fixture.jobs().find(fixture.user, processing)).unwrap();
    let job = view::job(&video, &fixture.limits).unwrap();
    assert_eq!(job.result_key, format!("results/{}/{processing}/1.zip", fixture.user));
    assert_eq!(job.source_key, format!("uploads/{}/{processing}", fixture.user));
    assert_eq!(view::report(&video).lease_expires_at, Some(job.lease_expires_at));
    assert!(job.deadline > fixture.clock.now());
    assert!(matches!(video.state, State::Processing(_)));
}

#[test]
fn decoded_time_counts_once_and_on_the_day_of_the_end() {
    let fixture = Fixture::new();
    let jobs = fixture.jobs();
    let decoded_s = || block_on(fixture.jobs().usage(fixture.user)).unwrap().decoded_seconds_today.used;
    let progress = |decoded_ms| Progress { decoded_ms, ..Progress::default() };
    let result = |decoded_ms| Extraction { decoded_ms, ..extraction() };

    // Reported twice, and again by a caller that is too late.
    let completed = fixture.claimed();
    for _ in 0..2 {
        block_on(jobs.complete(completed, 1, worker(), result(10_000))).unwrap();
    }
    block_on(jobs.claim(completed, worker(), None)).unwrap_err();
    assert_eq!(decoded_s(), 10);

    // Who cancels has used what was reported; who deletes, too.
    let (canceled, deleted) = (fixture.claimed(), fixture.claimed());
    for id in [canceled, deleted] {
        block_on(jobs.progress(id, 1, worker(), progress(20_000))).unwrap();
    }
    block_on(jobs.cancel(fixture.user, canceled)).unwrap();
    block_on(jobs.delete(fixture.user, deleted)).unwrap();
    block_on(jobs.delete(fixture.user, completed)).unwrap();
    assert_eq!(decoded_s(), 50);

    // What was released, or reclaimed, is not the owner's to pay for.
    let released = fixture.claimed();
    block_on(jobs.progress(released, 1, worker(), progress(40_000))).unwrap();
    block_on(jobs.release(released, 1, worker(), internal())).unwrap();
    block_on(jobs.claim(released, worker(), None)).unwrap();
    block_on(jobs.fail(released, 2, worker(), internal(), 1_000)).unwrap();
    assert_eq!(decoded_s(), 51);

    // It counts on the day on which the video ends; the sweep frees what a crash has left.
    let late = fixture.claimed();
    fixture.advance_s(24 * 3600);
    assert_eq!(decoded_s(), 0);
    block_on(jobs.complete(late, 1, worker(), result(7_000))).unwrap();
    assert_eq!(decoded_s(), 7);
    let unfreed = fixture.claimed();
    block_on(jobs.apply(unfreed, &Event::Completed { attempt: 1, worker: worker(), result: result(3_000) }))
        .unwrap();
    assert_eq!(decoded_s(), 7);
    fixture.sweep();
    assert_eq!(decoded_s(), 10);
}
