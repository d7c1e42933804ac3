//! The operations on videos, from the upload to the last object.

use std::cell::{Cell, RefCell};

use framelift_contract::message::{JobMessage, Message};
use framelift_contract::object_key;
use framelift_contract::video::Status;
use framelift_domain::video::{Extraction, Lane, Multipart, Progress, Stage, State, StateName};
use framelift_domain::{Failure, FailureCode, Limits, Options, Time, UserId, Video, VideoId, WorkerId};
use futures::future::join_all;

use super::{check, retry};
use crate::jobs::{Idempotency, JobError, Jobs, NewVideo};
use crate::ports::{Ambient, Kv, Objects, Queue, Unavailable};

/// A queue that records its messages.
#[derive(Default)]
struct RecordingQueue(RefCell<Vec<(JobMessage, u32)>>);

impl Queue for RecordingQueue {
    async fn send(&self, _: Lane, message: &Message, delay_s: u32) -> Result<(), Unavailable> {
        if let Message::Job(message) = message {
            self.0.borrow_mut().push((message.clone(), delay_s));
        }
        Ok(())
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

impl RecordingQueue {
    fn ids(&self) -> Vec<VideoId> {
        self.0.borrow().iter().map(|(message, _)| message.video_id).collect()
    }
}

/// An object store that records the keys of removed objects.
#[derive(Default)]
struct RecordingObjects(RefCell<Vec<String>>);

impl Objects for &RecordingObjects {
    async fn abort_multipart(&self, _key: &str, upload_id: &str) -> Result<(), Unavailable> {
        self.0.borrow_mut().push(upload_id.to_owned());
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), Unavailable> {
        self.0.borrow_mut().push(key.to_owned());
        Ok(())
    }

    async fn remove_all(&self, prefix: &str) -> Result<(), Unavailable> {
        self.0.borrow_mut().push(prefix.to_owned());
        Ok(())
    }
}

/// The real clock, shifted by a number of seconds.
struct ShiftedClock<'a, A> {
    inner: &'a A,
    ahead_s: Cell<i64>,
}

impl<A: Ambient> Ambient for ShiftedClock<'_, A> {
    fn now(&self) -> Time {
        self.inner.now().plus_s(self.ahead_s.get())
    }

    fn fill_random(&self, buffer: &mut [u8]) {
        self.inner.fill_random(buffer);
    }

    async fn pause(&self, milliseconds: u32) {
        self.inner.pause(milliseconds).await;
    }
}

/// A new user with ports, for one check.
struct World<'a, K, A> {
    kv: &'a K,
    queue: RecordingQueue,
    removed: RecordingObjects,
    clock: ShiftedClock<'a, A>,
    limits: Limits,
    user: UserId,
}

impl<'a, K: Kv, A: Ambient> World<'a, K, A> {
    fn new(kv: &'a K, ambient: &'a A) -> Self {
        let mut random = [0; 10];
        ambient.fill_random(&mut random);
        let user = UserId::new(ambient.now().unix_ms().unsigned_abs(), random);
        let clock = ShiftedClock { inner: ambient, ahead_s: Cell::new(0) };
        Self {
            kv,
            queue: RecordingQueue::default(),
            removed: RecordingObjects::default(),
            clock,
            limits: Limits::default(),
            user,
        }
    }

    fn jobs(&self) -> Jobs<'_, K, RecordingQueue, &RecordingObjects, ShiftedClock<'a, A>> {
        Jobs::new(self.kv, &self.queue, &self.removed, &self.clock, &self.limits)
    }

    /// A repeatable request, so that a retry after a lost answer does not create a second video.
    fn request(&self) -> Idempotency {
        let mut random = [0; 8];
        self.clock.fill_random(&mut random);
        Idempotency { key: hex::encode(random), request_hash: "suite".to_owned() }
    }

    async fn delete(&self, id: VideoId) -> Result<(), String> {
        let delete = || async {
            match self.jobs().delete(self.user, id).await {
                // It was deleted, and the answer was lost.
                Err(JobError::VideoNotFound) => Ok(()),
                outcome => outcome,
            }
        };
        retry(&self.clock, delete).await
    }

    /// Whether the upload of a video was removed.
    fn upload_is_removed(&self, id: VideoId) -> bool {
        self.removed.0.borrow().contains(&object_key::upload(self.user, id))
    }

    async fn create(&self) -> Result<VideoId, String> {
        let request = self.request();
        let create = || async { self.jobs().create(self.user, new_video(), Some(&request)).await };
        Ok(retry(&self.clock, create).await?.id)
    }

    async fn uploaded(&self) -> Result<VideoId, String> {
        let id = self.create().await?;
        retry(&self.clock, || async { self.jobs().uploaded(self.user, id).await }).await?;
        Ok(id)
    }

    async fn status(&self, id: VideoId) -> Result<StateName, String> {
        let found = retry(&self.clock, || async { self.jobs().find(self.user, id).await }).await?;
        Ok(found.video.state.name())
    }

    /// The attempt's number.
    async fn claim(&self, id: VideoId) -> Result<u32, String> {
        let claim_id = Some("the one".to_owned());
        let video =
            retry(&self.clock, || async { self.jobs().claim(id, worker(), claim_id.clone()).await }).await?;
        Ok(video.state.attempts().made)
    }

    async fn complete(&self, id: VideoId, attempt: u32) -> Result<Video, String> {
        let reported =
            retry(&self.clock, || async { self.jobs().complete(id, attempt, worker(), extraction()).await });
        reported.await
    }

    async fn listed(&self, status: Option<Status>) -> Result<Vec<VideoId>, String> {
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = retry(&self.clock, || async {
                self.jobs().list(self.user, cursor.as_deref(), 3, status).await
            });
            let page = page.await?;
            ids.extend(page.items.iter().map(|found| found.video.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(ids);
            }
        }
    }
}

fn worker() -> WorkerId {
    "worker".parse().unwrap_or_else(|_| unreachable!("the name is well-formed"))
}

fn new_video() -> NewVideo {
    NewVideo {
        file_name: "holiday.mp4".to_owned(),
        size_bytes: 1000,
        content_type: None,
        options: Options::default(),
        correlation_id: "suite".parse().unwrap_or_else(|_| unreachable!("the id is well-formed")),
        trace_parent: None,
    }
}

fn extraction() -> Extraction {
    Extraction {
        size_bytes: 7,
        frames: 2,
        sha256: [0xab; 32].into(),
        bytes_read: 1000,
        decoded_ms: 1,
        warnings: vec![],
        indexed: true,
    }
}

pub(super) async fn a_video_from_upload_to_result<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let world = World::new(kv, ambient);
    let id = world.create().await?;
    check!(world.status(id).await? == StateName::AwaitingUpload, "a new video does not await its upload");
    for _ in 0..2 {
        let video = retry(ambient, || async { world.jobs().uploaded(world.user, id).await }).await?;
        check!(video.state.name() == StateName::Pending, "an uploaded video is {}", video.state.name());
    }
    check!(world.queue.ids().contains(&id), "no message was sent");
    check!(world.claim(id).await? == 1, "the first claim is not the first attempt");
    check!(world.claim(id).await? == 1, "the same claim again is another attempt");
    let progress = Progress { stage: Stage::Extracting, percent: 50, ..Progress::default() };
    let video = retry(ambient, || async { world.jobs().progress(id, 1, worker(), progress).await }).await?;
    check!(video.state.progress() == progress, "the progress was not kept");
    for _ in 0..2 {
        let video = world.complete(id, 1).await?;
        check!(video.state.name() == StateName::Completed, "a completed video is {}", video.state.name());
    }
    let notice = retry(ambient, || async { world.jobs().notice(id).await }).await?;
    check!(notice.is_some(), "there is no notice of the completion");
    retry(ambient, || async { world.jobs().notified(id, 0, false).await }).await?;
    let notice = retry(ambient, || async { world.jobs().notice(id).await }).await?;
    check!(notice.is_none(), "a notice that is out is to be sent again");
    let again = world.jobs().claim(id, worker(), None).await;
    check!(
        matches!(again, Err(JobError::JobFinished | JobError::Unavailable(_))),
        "a finished job can be claimed"
    );
    Ok(())
}

pub(super) async fn limits_hold_and_order_is_kept<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let mut world = World::new(kv, ambient);
    world.limits.max_open_per_user = 9;
    let outcomes = join_all((0..5).map(|_| world.uploaded())).await;
    let mut ids = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    for _ in 0..4 {
        ids.push(world.uploaded().await?);
    }
    let full = retry(ambient, || async {
        match world.jobs().create(world.user, new_video(), None).await {
            Err(JobError::Unavailable(error)) => Err(error),
            outcome => Ok(outcome),
        }
    });
    let full = full.await?;
    check!(matches!(full, Err(JobError::QuotaExceeded { limit: 9 })), "a tenth open video gives {full:?}");
    check!(world.listed(Some(Status::Pending)).await?.len() == 5, "not 5 videos are pending");
    for (n, id) in ids[5..].iter().enumerate() {
        let found = retry(ambient, || async { world.jobs().find(world.user, *id).await }).await?;
        check!(
            found.queue_position.map(|position| position as usize) == Some(n + 1),
            "video {n} in line is at {:?}",
            found.queue_position
        );
    }
    let early = world.jobs().claim(ids[8], worker(), None).await;
    check!(
        matches!(early, Err(JobError::JobNotReady | JobError::Unavailable(_))),
        "a queued job can be claimed"
    );
    for (n, id) in ids.iter().enumerate() {
        check!(world.queue.ids().contains(id), "video {n} was not dispatched when its turn came");
        let attempt = world.claim(*id).await?;
        world.complete(*id, attempt).await?;
    }
    let mut first_sent: Vec<VideoId> = Vec::new();
    for id in world.queue.ids() {
        if !first_sent.contains(&id) {
            first_sent.push(id);
        }
    }
    check!(first_sent[5..] == ids[5..], "the queued videos were not dispatched in their order");
    let listed = world.listed(None).await?;
    check!(listed.len() == 9, "the list has {} of 9 videos", listed.len());
    check!(listed[..4].iter().rev().eq(&ids[5..]), "the list is not newest first");
    check!(world.listed(Some(Status::Failed)).await?.is_empty(), "a filter lets others through");
    Ok(())
}

pub(super) async fn keys_make_requests_idempotent<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let world = World::new(kv, ambient);
    let request = |hash: &str| Idempotency { key: "a key/with ? anything".into(), request_hash: hash.into() };
    let create = |hash: &'static str| {
        let world = &world;
        async move {
            retry(ambient, || async {
                world.jobs().create(world.user, new_video(), Some(&request(hash))).await
            })
            .await
        }
    };
    let outcomes = join_all((0..6).map(|_| create("one"))).await;
    let videos = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let id = videos[0].id;
    check!(videos.iter().all(|video| video.id == id), "the same request made several videos");
    check!(world.listed(None).await? == [id], "the list does not have the one video once");
    let other = create("two").await;
    check!(
        other.as_ref().is_err_and(|error| *error == JobError::IdempotencyKeyReused.to_string()),
        "another request with the key gives {other:?}"
    );
    retry(ambient, || async { world.jobs().uploaded(world.user, id).await }).await?;
    check!(create("one").await?.state.name() == StateName::Pending, "a replay undid the upload");
    world.clock.ahead_s.set(24 * 3600 + 1);
    check!(create("two").await?.id != id, "a key is remembered for more than a day");
    Ok(())
}

pub(super) async fn runs_share_an_upload<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let world = World::new(kv, ambient);
    let run = |of: VideoId| {
        let world = &world;
        async move {
            let (correlation_id, request) = (new_video().correlation_id, world.request());
            loop {
                let (jobs, id) = (world.jobs(), correlation_id.clone());
                match jobs.run(world.user, of, Options::default(), id, None, Some(&request)).await {
                    Err(JobError::Unavailable(_)) => ambient.pause(5_000).await,
                    outcome => return outcome,
                }
            }
        }
    };
    let awaiting = world.create().await?;
    check!(run(awaiting).await == Err(JobError::UploadIncomplete), "a run needs no upload");
    let root = world.uploaded().await?;
    let first = run(root).await.map_err(|error| error.to_string())?;
    let second = run(first.id).await.map_err(|error| error.to_string())?;
    check!((first.root(), second.root()) == (root, root), "a run does not use the upload of its root");
    check!(first.state.name() == StateName::Pending, "a run is {}", first.state.name());
    for id in [root, first.id] {
        world.delete(id).await?;
        check!(!world.upload_is_removed(root), "an upload in use was removed");
    }
    world.delete(second.id).await?;
    check!(world.upload_is_removed(root), "an upload that nobody uses is kept");
    check!(run(root).await == Err(JobError::VideoNotFound), "a deleted video can be run again");

    let failed = world.uploaded().await?;
    let attempt = world.claim(failed).await?;
    let failure = Failure::new(FailureCode::NotAVideo, "no known container");
    let reported =
        retry(ambient, || async { world.jobs().fail(failed, attempt, worker(), failure.clone(), 0).await });
    reported.await?;
    check!(world.upload_is_removed(failed), "a useless upload is kept");
    check!(run(failed).await == Err(JobError::SourceExpired), "a useless upload can be run again");
    Ok(())
}

pub(super) async fn leases_are_exclusive<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let world = World::new(kv, ambient);
    let id = world.uploaded().await?;
    let claim = |n: u32| {
        let world = &world;
        async move {
            let name: WorkerId = format!("w{n}").parse().unwrap_or_else(|_| worker());
            retry(ambient, || async {
                match world.jobs().claim(id, name.clone(), Some(format!("c{n}"))).await {
                    Err(JobError::Unavailable(error)) => Err(error),
                    outcome => Ok(outcome),
                }
            })
            .await
        }
    };
    let outcomes = join_all((0..6).map(claim)).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    check!(winners == 1, "{winners} workers hold the same job");
    for outcome in outcomes {
        match outcome {
            Ok(_) | Err(JobError::LeaseHeld { retry_after_s: 1..=60 }) => {}
            other => return Err(format!("a job that is held answers {other:?}")),
        }
    }
    world.clock.ahead_s.set(3600);
    check!(world.claim(id).await? == 2, "a lapsed lease cannot be taken over");
    let stale = retry(ambient, || async {
        match world.jobs().complete(id, 1, worker(), extraction()).await {
            Err(JobError::Unavailable(error)) => Err(error),
            outcome => Ok(outcome),
        }
    });
    let code = stale.await?.err().map(|error| error.code());
    check!(
        code == Some(framelift_contract::problem::ProblemCode::StaleAttempt),
        "a stale report answers {code:?}"
    );
    let failure = Failure::new(FailureCode::Internal, "shutting down");
    let released = retry(ambient, || async { world.jobs().release(id, 2, worker(), failure.clone()).await });
    let released = released.await?;
    check!(released.state.name() == StateName::Pending, "a released job is {}", released.state.name());
    check!(world.claim(id).await? == 3, "a released job cannot be claimed");
    Ok(())
}

pub(super) async fn deletion_and_closing<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let world = World::new(kv, ambient);
    let outcomes = join_all((0..7).map(|_| world.uploaded())).await;
    let ids = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let in_flight = world.listed(Some(Status::Pending)).await?;
    check!(in_flight.len() == 5, "{} videos are pending", in_flight.len());
    let gone = in_flight[0];
    world.delete(gone).await?;
    check!(world.upload_is_removed(gone), "the upload of a deleted video is kept");
    let found = retry(ambient, || async { is_found(world.jobs().find(world.user, gone).await) }).await?;
    check!(!found, "a deleted video is found");
    check!(!world.listed(None).await?.contains(&gone), "a deleted video is listed");
    check!(world.listed(Some(Status::Pending)).await?.len() == 5, "the slot of a deleted video is not used");
    retry(ambient, || async { world.jobs().close_user(world.user).await }).await?;
    check!(
        retry(ambient, || async { world.jobs().is_closed(world.user).await }).await?,
        "a closed account is open"
    );
    for status in [Status::Pending, Status::Queued] {
        let left = world.listed(Some(status)).await?;
        check!(left.is_empty(), "{} videos of a closed account were not canceled", left.len());
    }
    check!(ids.iter().all(|id| world.upload_is_removed(*id)), "a closed account has uploads left");
    let late = world.jobs().create(world.user, new_video(), None).await;
    check!(
        matches!(late, Err(JobError::AccountClosed | JobError::Unavailable(_))),
        "a closed account takes videos"
    );
    check!(ids.len() == 7, "not all videos were made");
    Ok(())
}

fn is_found(outcome: Result<crate::jobs::Found, JobError>) -> Result<bool, JobError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(JobError::VideoNotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn uploads_expire_and_results_are_purged<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let world = World::new(kv, ambient);
    let done = world.uploaded().await?;
    let attempt = world.claim(done).await?;
    world.complete(done, attempt).await?;
    let late = world.create().await?;
    let multipart = Multipart { upload_id: "upload".into(), part_size: 5 << 20, part_count: 2 };
    retry(ambient, || async { world.jobs().multipart_begun(world.user, late, multipart.clone()).await })
        .await?;
    world.clock.ahead_s.set(i64::from(world.limits.upload_ttl_s) + 1);
    sweep_all(&world).await;
    check!(world.status(late).await? == StateName::Expired, "an upload that never came did not expire");
    let aborted = world.removed.0.borrow().iter().any(|name| name == "upload");
    check!(aborted, "the multipart upload of an expired video is not aborted");
    check!(!world.upload_is_removed(done), "a result was purged too early");

    world
        .clock
        .ahead_s
        .set(i64::from(world.limits.retention_s) + i64::from(world.limits.upload_ttl_s) + 7200);
    sweep_all(&world).await;
    for id in [done, late] {
        check!(world.upload_is_removed(id), "an upload is kept for ever");
    }
    let results = object_key::results_of(world.user, done);
    check!(world.removed.0.borrow().contains(&results), "a result is kept for ever");
    let found = retry(ambient, || async { world.jobs().find(world.user, done).await }).await?;
    check!(!found.video.result_kept(world.clock.now(), &world.limits), "a purged result can be had");
    check!(matches!(found.video.state, State::Completed { .. }), "a purged video is not completed");
    Ok(())
}

/// Sweeps until nothing is left to do.
async fn sweep_all<K: Kv, A: Ambient>(world: &World<'_, K, A>) {
    let mut clean = 0;
    for _ in 0..500 {
        let Ok(swept) = world.jobs().sweep().await else { continue };
        if swept.user_errors.is_empty() {
            clean += 1;
        }
        if clean == 12 {
            break;
        }
    }
}
