//! The actors: users that upload, cancel, delete and run videos; workers that complete, fail and release jobs; sweeps;
//! and a caller that closes an account.

use std::rc::Rc;

use framelift_contract::webhook::{DeliveryOutcome, DeliveryReport};
use framelift_domain::video::{Extraction, Lane, Multipart, Progress, Stage, State};
use framelift_domain::{EventId, Failure, FailureCode, Options, Select, UserId, Video, VideoId, WorkerId};

use super::Task;
use super::world::{Received, World};
use crate::jobs::{Idempotency, JobError, NewVideo, Result};
use crate::ports::Ambient;

/// An actor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    User(u8),
    /// A worker's permit, of that lane.
    Worker(&'static str, Lane),
    Sweep,
    /// Closes that user's account, after a while.
    Closer(u8),
}

impl Role {
    /// One run of the actor; the executor starts the next one.
    pub(super) fn begin(self, world: &Rc<World>) -> Task {
        let world = Rc::clone(world);
        Box::pin(async move {
            match self {
                Self::User(n) => user(&world, world.user(n)).await,
                Self::Worker(name, lane) => worker(&world, name, lane).await,
                Self::Sweep => sweep(&world).await,
                Self::Closer(n) => close(&world, world.user(n)).await,
            }
        })
    }
}

/// Retries a few times, while the error is one that may pass.
async fn retry<T>(world: &World, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(JobError::Unavailable(_)) if tries < 4 => tries += 1,
            outcome => return outcome,
        }
        world.clock.pause(500).await;
    }
}

async fn user(world: &World, user: UserId) {
    world.clock.pause(world.below(20_000) as u32).await;
    if world.is_fault_free() {
        world.clock.pause(600_000).await;
        return;
    }
    let outcome = match world.below(10) {
        0..=5 => upload(world, user).await,
        6 => cancel(world, user).await,
        7 => delete(world, user).await,
        8 => run(world, user).await,
        _ => look(world, user).await,
    };
    match outcome {
        // Refusals that a user may get.
        Ok(())
        | Err(
            JobError::Unavailable(_)
            | JobError::QuotaExceeded { .. }
            | JobError::StorageQuotaExceeded { .. }
            | JobError::VideoNotFound
            | JobError::AlreadyFinished
            | JobError::SourceExpired
            | JobError::UploadIncomplete
            | JobError::IdempotencyKeyReused,
        ) => {}
        Err(JobError::AccountClosed) if world.may_be_closed(user) => {}
        Err(error) => world.record_violation(format!("a user failed with: {error} ({error:?})")),
    }
}

/// Options of a short job, or of a long one.
fn options(world: &World) -> Options {
    let select = if world.percent(40) { Select::All } else { Options::default().select };
    Options { select, ..Options::default() }
}

fn new_video(id: VideoId, size_bytes: u64, options: Options) -> NewVideo {
    NewVideo {
        file_name: "a.mp4".to_owned(),
        size_bytes,
        content_type: None,
        options,
        correlation_id: id.into(),
        trace_parent: None,
    }
}

/// Few keys, so that requests meet.
fn idempotency(world: &World) -> Option<Idempotency> {
    world.percent(60).then(|| Idempotency {
        key: world.below(30).to_string(),
        request_hash: if world.percent(95) { "same" } else { "other" }.to_owned(),
    })
}

async fn upload(world: &World, user: UserId) -> Result<()> {
    let request = idempotency(world);
    let fresh = world.jobs().fresh_id();
    let (size_bytes, options) = (80 + world.below(40), options(world));
    let video = retry(world, async || {
        world.jobs().create(user, new_video(fresh, size_bytes, options.clone()), request.as_ref()).await
    })
    .await?;
    let id = video.id;
    world.promise_created(id);
    if world.percent(30) && matches!(video.state, State::AwaitingUpload { .. }) {
        // Another request with the same key may have begun one.
        let multipart = Multipart { upload_id: format!("m{fresh}"), part_size: 5 << 20, part_count: 2 };
        world.begin_multipart(user, id, &multipart.upload_id);
        let recorded = world.jobs().multipart_begun(user, id, multipart.clone()).await?;
        let is_recorded = recorded.state.multipart() == Some(&multipart);
        if !is_recorded && world.is_multipart_begun(user, id, &multipart.upload_id) {
            world.record_violation(format!("a second multipart upload of {id} was not aborted"));
        }
    }
    if world.percent(10) {
        return Ok(());
    }
    if world.percent(20) {
        // It came in one stream, and its size is known only now.
        world.jobs().measured(user, id, size_bytes + world.below(20), None).await?;
    }
    if matches!(video.state, State::AwaitingUpload { .. }) {
        world.put_upload(user, id);
        world.clock.pause(world.below(30_000) as u32).await;
    }
    accepted(world, user, id).await
}

/// Hands a video over; from then on it must not be lost.
async fn accepted(world: &World, user: UserId, id: VideoId) -> Result<()> {
    let video = retry(world, async || world.jobs().uploaded(user, id).await).await?;
    if matches!(video.state, State::AwaitingUpload { .. }) {
        world.record_violation(format!("{id} was accepted and still awaits its upload"));
    }
    world.promise_accepted(id);
    Ok(())
}

async fn any_video(world: &World, user: UserId) -> Result<Option<Video>> {
    let page = world.jobs().list(user, None, 10, None).await?;
    let items: Vec<&Video> = page.items.iter().map(|found| &found.video).collect();
    Ok(world.pick(&items).cloned())
}

async fn cancel(world: &World, user: UserId) -> Result<()> {
    let Some(video) = any_video(world, user).await? else { return Ok(()) };
    retry(world, async || world.jobs().cancel(user, video.id).await).await?;
    Ok(())
}

async fn delete(world: &World, user: UserId) -> Result<()> {
    let Some(video) = any_video(world, user).await? else { return Ok(()) };
    retry(world, async || world.jobs().delete(user, video.id).await).await
}

async fn run(world: &World, user: UserId) -> Result<()> {
    let Some(video) = any_video(world, user).await? else { return Ok(()) };
    let (request, options) = (idempotency(world), options(world));
    let run = retry(world, async || {
        let correlation_id = video.id.into();
        world.jobs().run(user, video.id, options.clone(), correlation_id, None, request.as_ref()).await
    });
    match run.await {
        Ok(run) => {
            world.promise_created(run.id);
            world.promise_accepted(run.id);
            Ok(())
        }
        Err(JobError::TooManyRuns { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn look(world: &World, user: UserId) -> Result<()> {
    let Some(video) = any_video(world, user).await? else { return Ok(()) };
    let found = world.jobs().find(user, video.id).await?;
    let other = if world.user(0) == user { world.user(1) } else { world.user(0) };
    match world.jobs().find(other, found.video.id).await {
        Err(JobError::VideoNotOwned | JobError::Unavailable(_)) => {}
        outcome => world.record_violation(format!("another user's video answers {outcome:?}")),
    }
    world.read_result(&found.video);
    match found.video.state {
        State::Queued => accepted(world, user, video.id).await,
        _ => Ok(()),
    }
}

async fn worker(world: &World, name: &str, permit: Lane) {
    world.clock.pause(world.below(2_000) as u32).await;
    world.queue_ready().await;
    // A permit of the main lane looks into both, and neither keeps the other waiting.
    let lanes: &[Lane] = match permit {
        Lane::Short => &[Lane::Short],
        Lane::Main if world.is_main_lane_blocked() => &[],
        Lane::Main if world.percent(50) => &[Lane::Short, Lane::Main],
        Lane::Main => &[Lane::Main, Lane::Short],
    };
    let Some(received) = lanes.iter().find_map(|lane| world.receive(*lane)) else { return };
    let name: WorkerId = name.parse().unwrap();
    match work(world, &name, &received).await {
        // Nothing is acknowledged: the message comes back.
        Ok(false) | Err(JobError::Unavailable(_)) => {}
        Ok(true) => world.acknowledge(received.id),
        Err(JobError::JobFinished | JobError::VideoNotFound) => {
            if send_notice(world, received.body.video_id).await.is_ok() {
                world.acknowledge(received.id);
            }
        }
        Err(JobError::LeaseHeld { .. } | JobError::JobNotReady) => {}
        Err(JobError::Refused(_)) => {}
        Err(error) => world.record_violation(format!("a worker failed with: {error} ({error:?})")),
    }
}

/// Sends a video's notice, if it is due, and delivers its event to the webhook.
async fn send_notice(world: &World, id: VideoId) -> Result<()> {
    let notice = match world.jobs().notice(id).await {
        Err(JobError::VideoNotFound) => return Ok(()),
        outcome => outcome?,
    };
    if let Some(notice) = notice {
        world.clock.pause(world.below(1_000) as u32).await;
        let webhook = notice.user_id == world.user(0);
        match world.jobs().notified(id, 0, webhook).await {
            Ok(_) | Err(JobError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    deliver(world, id.into()).await
}

/// Makes one attempt to deliver an event to the webhook. Some of the first two attempts fail.
async fn deliver(world: &World, id: EventId) -> Result<()> {
    let delivery = match world.jobs().claim_delivery(id).await {
        Err(JobError::JobFinished) => return Ok(()),
        outcome => outcome?,
    };
    world.clock.pause(world.below(20_000) as u32).await;
    let outcome = match world.below(10) {
        0..=2 if delivery.round < 2 => DeliveryOutcome::Retry,
        _ => {
            world.take_webhook(id, &delivery.payload);
            DeliveryOutcome::Delivered
        }
    };
    let report = DeliveryReport {
        attempt: delivery.made + 1,
        worker_id: "w".parse().unwrap(),
        outcome,
        status: None,
        error: None,
    };
    match retry(world, async || world.jobs().record_attempt(id, &report).await).await {
        Ok(_) | Err(JobError::JobFinished) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Works on one job. Returns whether its message may be deleted.
async fn work(world: &World, name: &WorkerId, received: &Received) -> Result<bool> {
    let id = received.body.video_id;
    if received.body.notice.is_some() {
        send_notice(world, id).await?;
        return Ok(true);
    }
    let claim_id = Some(format!("{name}-{}", world.below(u64::MAX)));
    let video = retry(world, async || world.jobs().claim(id, name.clone(), claim_id.clone()).await).await?;
    let attempt = video.state.attempts().made;
    if received.dead {
        let failure = Failure::new(FailureCode::Internal, "the job was tried too often");
        let failed =
            retry(world, async || world.jobs().fail(id, attempt, name.clone(), failure.clone(), 0).await);
        failed.await?;
        send_notice(world, id).await?;
        return Ok(true);
    }
    world.read_upload(&video);
    let reports = if video.lane() == Lane::Short { 4 } else { 12 };
    for percent in 0..world.below(reports) as u8 {
        world.clock.pause(15_000).await;
        world.extend(received.id);
        let progress = Progress { stage: Stage::Extracting, percent, ..Progress::default() };
        retry(world, async || world.jobs().progress(id, attempt, name.clone(), progress).await).await?;
    }
    let code = match world.below(20) {
        0..=1 => Some(FailureCode::NotAVideo),
        2 => Some(FailureCode::LimitExceeded),
        3..=5 => Some(FailureCode::Internal),
        6..=7 if !world.is_fault_free() => return Ok(false),
        _ => None,
    };
    match code {
        None => {
            world.put_result(&video);
            let frames = world.below(1000);
            let result = Extraction {
                size_bytes: 1 + world.below(50),
                frames,
                sha256: [0xab; 32].into(),
                bytes_read: 1,
                decoded_ms: frames,
                warnings: vec![],
                indexed: true,
            };
            let completed =
                retry(world, async || world.jobs().complete(id, attempt, name.clone(), result.clone()).await);
            let completed = completed.await?;
            world.published(id, &result);
            match &completed.state {
                State::Completed { result: kept, .. } if *kept == result => {}
                other => world.record_violation(format!("{id} was completed and is {other:?}")),
            }
        }
        Some(FailureCode::Internal) => {
            let failure = Failure::new(FailureCode::Internal, "shutting down");
            let released =
                retry(world, async || world.jobs().release(id, attempt, name.clone(), failure.clone()).await);
            released.await?;
        }
        Some(code) => {
            let failure = Failure::new(code, "as it happens");
            retry(world, async || world.jobs().fail(id, attempt, name.clone(), failure.clone(), 0).await)
                .await?;
        }
    }
    send_notice(world, id).await?;
    Ok(true)
}

async fn sweep(world: &World) {
    world.clock.pause(10_000 + world.below(60_000) as u32).await;
    let errors: Vec<JobError> = match world.jobs().sweep().await {
        Ok(swept) => swept.user_errors.into_iter().map(|(_, error)| error).chain(swept.page_errors).collect(),
        Err(error) => vec![error],
    };
    for error in errors {
        if !matches!(error, JobError::Unavailable(_)) {
            world.record_violation(format!("the sweep failed with {error:?}"));
        }
    }
}

async fn close(world: &World, user: UserId) {
    world.clock.pause(400_000 + world.below(400_000) as u32).await;
    if world.is_closed() {
        return;
    }
    world.begin_closing(user);
    match retry(world, async || world.jobs().close_user(user).await).await {
        Ok(()) => world.finish_closing(),
        Err(JobError::Unavailable(_)) => {}
        Err(error) => world.record_violation(format!("closing an account failed with {error:?}")),
    }
}
