//! One user's videos, in the state in which the tested call has the most steps.

mod notices;
mod plugins;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use framelift_contract::message::{JobMessage, PluginMessage};
use framelift_contract::object_key;
use framelift_contract::webhook::{DeliveryOutcome, EventData, EventType};
use framelift_domain::video::{Extraction, Lane, Multipart, Progress, Stage};
use framelift_domain::{
    EventId, Failure, FailureCode, Limits, Options, PluginId, Select, UserId, Video, VideoId, WorkerId,
};
use futures::executor::block_on;

use super::super::invariants::Received;
use super::{FaultyPort, Plan};
use crate::jobs::{Idempotency, JobError, Jobs, NewVideo, Result};
use crate::store::Store;
use crate::store::memory::{MemoryKv, MemoryObjects, MemoryQueue, TestAmbient};

/// The tested call. One video may be in flight; most calls are made while another one waits for its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
pub(super) enum Call {
    Create,
    CreateWithKey,
    MultipartBegun,
    MultipartBegunTwice,
    Uploaded,
    UploadedBehind,
    Run,
    Claim,
    Progress,
    Complete,
    Fail,
    Release,
    ReleaseForTheLastTime,
    Notified,
    Cancel,
    CancelAwaited,
    Delete,
    DeleteCompleted,
    Close,
    SweepLostMessage,
    SweepLostWorker,
    SweepExpired,
    SweepRetention,
    SweepRemoval,
    PutPlugin,
    ReplacePlugin,
    CheckPlugin,
    RejectPlugin,
    ReleasePlugin,
    DeletePlugin,
    CreateWithPlugin,
    CloseWithPlugins,
    SweepPluginRejection,
    SweepPluginUpload,
    SweepPluginMessage,
    SweepPluginRemoval,
    NoticeWithWebhook,
    NoticeOfExpiry,
    ClaimDelivery,
    ReportDelivered,
    ReportRetry,
    Replay,
    TestEvent,
    SweepLostNotice,
    SweepLostDelivery,
    SweepClosedNotice,
}

pub(super) struct Scene {
    pub(super) kv: MemoryKv,
    queue: MemoryQueue,
    pub(super) objects: MemoryObjects,
    clock: TestAmbient,
    pub(super) limits: Limits,
    user: UserId,
    pub(super) accepted: BTreeSet<VideoId>,
    /// The message of the worker that makes the call.
    held: Vec<JobMessage>,
    /// The same of a plugin's check.
    held_checks: Vec<PluginMessage>,
    /// The version that the call is about.
    plugin: Option<PluginId>,
    /// The events that the receiver of the webhook accepted.
    received: RefCell<Received>,
    /// Whether the account has no webhook.
    no_webhook: bool,
    /// How many videos were made.
    made: Cell<u32>,
}

fn worker() -> WorkerId {
    "w".parse().unwrap()
}

fn extraction() -> Extraction {
    Extraction {
        size_bytes: 5,
        frames: 2,
        sha256: [0xab; 32].into(),
        bytes_read: 10,
        decoded_ms: 1,
        warnings: vec![],
        indexed: true,
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        let limits =
            Limits { max_in_flight_per_user: 1, upload_ttl_s: 1200, max_releases: 2, ..Limits::default() };
        let kv = MemoryKv::default();
        kv.take_writes();
        Self {
            kv,
            queue: MemoryQueue::default(),
            objects: MemoryObjects::default(),
            clock: TestAmbient::new(1),
            limits,
            user: UserId::new(1, [1; 10]),
            accepted: BTreeSet::new(),
            held: Vec::new(),
            held_checks: Vec::new(),
            plugin: None,
            received: RefCell::default(),
            no_webhook: false,
            made: Cell::new(0),
        }
    }

    fn jobs(&self) -> Jobs<'_, MemoryKv, MemoryQueue, &MemoryObjects, TestAmbient> {
        Jobs::new(&self.kv, &self.queue, &self.objects, &self.clock, &self.limits)
    }

    fn new_video() -> NewVideo {
        NewVideo {
            file_name: "a.mp4".to_owned(),
            size_bytes: 10,
            content_type: None,
            options: Options::default(),
            correlation_id: "c".parse().unwrap(),
            trace_parent: None,
        }
    }

    /// Every other one's job is short.
    fn created(&self) -> VideoId {
        let mut new = Self::new_video();
        if self.made.replace(self.made.get() + 1).is_multiple_of(2) {
            new.options.select = Select::All;
        }
        let video = block_on(self.jobs().create(self.user, new, None)).unwrap();
        self.objects.put(object_key::upload(self.user, video.id));
        video.id
    }

    fn uploaded(&mut self) -> VideoId {
        let id = self.created();
        block_on(self.jobs().uploaded(self.user, id)).unwrap();
        self.accepted.insert(id);
        id
    }

    fn put_result(&self, video: &Video) {
        for key in [object_key::result, object_key::frame_index] {
            self.objects.put(key(video.owner, video.id, video.state.attempts().made));
        }
    }

    /// Takes the messages about videos out of both lanes, each of which must be in its own.
    fn receive(&self) -> Vec<JobMessage> {
        let taken = self.queue.take_jobs().into_iter().map(|(lane, message, _)| {
            let row = block_on(Store::new(&self.kv, &self.clock).video(message.video_id)).unwrap();
            let belongs = match message.notice {
                Some(_) => Lane::Short,
                None => row.map_or(lane, |row| row.video.lane()),
            };
            assert_eq!(lane, belongs, "{message:?}");
            message
        });
        taken.collect()
    }

    fn begin_multipart(&self, id: VideoId, upload_id: &str) -> Multipart {
        self.objects.begin(object_key::upload(self.user, id), upload_id.to_owned());
        Multipart { upload_id: upload_id.to_owned(), part_size: 5 << 20, part_count: 2 }
    }

    /// A worker takes the message and the job.
    fn claimed(&mut self, id: VideoId) {
        self.held = self.receive();
        let video = block_on(self.jobs().claim(id, worker(), None)).unwrap();
        self.put_result(&video);
    }

    fn completed(&mut self) -> VideoId {
        let id = self.uploaded();
        self.claimed(id);
        block_on(self.jobs().complete(id, 1, worker(), extraction())).unwrap();
        self.send_notice(id);
        self.held.clear();
        id
    }

    pub(super) fn advance_s(&self, seconds: u32) {
        self.clock.advance_ms(1000 * i64::from(seconds));
    }

    /// Makes the state that the call needs. Returns the video that the call is about.
    pub(super) fn prepare(&mut self, call: Call) -> VideoId {
        self.no_webhook = call == Call::Notified;
        let nobody = VideoId::new(0, [0; 10]);
        match call {
            Call::Create | Call::CreateWithKey => nobody,
            Call::MultipartBegun | Call::Uploaded | Call::CancelAwaited => self.created(),
            Call::MultipartBegunTwice => {
                let id = self.created();
                let first = self.begin_multipart(id, "first");
                block_on(self.jobs().multipart_begun(self.user, id, first)).unwrap();
                id
            }
            Call::UploadedBehind => {
                self.uploaded();
                self.created()
            }
            Call::Run | Call::DeleteCompleted => self.completed(),
            Call::Claim => {
                let id = self.uploaded();
                self.held = self.receive();
                id
            }
            Call::Progress
            | Call::Complete
            | Call::Fail
            | Call::Release
            | Call::Cancel
            | Call::Delete
            | Call::Close => {
                let id = self.uploaded();
                self.uploaded();
                self.claimed(id);
                id
            }
            Call::ReleaseForTheLastTime => {
                let id = self.uploaded();
                self.uploaded();
                for attempt in 1..=2 {
                    self.claimed(id);
                    let failure = Failure::new(FailureCode::Internal, "not now");
                    block_on(self.jobs().release(id, attempt, worker(), failure)).unwrap();
                }
                self.claimed(id);
                id
            }
            Call::Notified => {
                let id = self.uploaded();
                self.claimed(id);
                let failure = Failure::new(FailureCode::CorruptInput, "no frame");
                block_on(self.jobs().fail(id, 1, worker(), failure, 0)).unwrap();
                id
            }
            Call::NoticeWithWebhook => self.failed(),
            Call::NoticeOfExpiry => {
                let id = self.created();
                self.advance_s(self.limits.upload_ttl_s + 1);
                block_on(self.jobs().sweep()).unwrap();
                id
            }
            Call::TestEvent => self.completed(),
            Call::ClaimDelivery | Call::ReportDelivered | Call::ReportRetry | Call::SweepLostDelivery => {
                let id = self.failed();
                block_on(self.jobs().notified(id, 1, true)).unwrap();
                self.queue.take();
                if matches!(call, Call::ReportDelivered | Call::ReportRetry) {
                    let delivery = block_on(self.jobs().claim_delivery(id.into())).unwrap();
                    if call == Call::ReportDelivered {
                        self.take(id.into(), &delivery.payload);
                    }
                }
                if call == Call::SweepLostDelivery {
                    self.advance_s(self.limits.resend_after_s + 1);
                }
                id
            }
            Call::Replay => {
                let id = self.failed();
                block_on(self.jobs().notified(id, 1, true)).unwrap();
                self.deliver(id.into());
                id
            }
            Call::SweepLostNotice => {
                let id = self.failed();
                self.queue.take();
                self.advance_s(self.limits.resend_after_s + 1);
                id
            }
            Call::SweepClosedNotice => {
                let id = self.failed();
                self.queue.take();
                block_on(self.jobs().close_user(self.user)).unwrap();
                id
            }
            Call::SweepLostMessage => {
                let id = self.uploaded();
                self.uploaded();
                self.queue.take();
                self.advance_s(self.limits.resend_after_s + 1);
                id
            }
            Call::SweepLostWorker => {
                let id = self.uploaded();
                self.uploaded();
                self.claimed(id);
                self.held.clear();
                self.advance_s(self.limits.lease_s + self.limits.take_back_after_s + 1);
                id
            }
            Call::SweepExpired => {
                let id = self.created();
                self.advance_s(self.limits.upload_ttl_s + 1);
                id
            }
            Call::SweepRetention => {
                let id = self.completed();
                self.advance_s(self.limits.retention_s + 1);
                id
            }
            Call::SweepRemoval => {
                let id = self.completed();
                block_on(self.jobs().delete(self.user, id)).unwrap();
                // Its retention first, so that nothing but the record is left.
                block_on(self.jobs().sweep()).unwrap();
                self.advance_s(2 * 24 * 3600);
                id
            }
            _ => self.prepare_plugins(call),
        }
    }

    /// Makes the call. Returns the video that was accepted and must not be lost, if one was.
    pub(super) fn make(&self, call: Call, id: VideoId, plan: &Plan) -> Option<Result<Option<VideoId>>> {
        let (kv, queue) = (FaultyPort(&self.kv, plan), FaultyPort(&self.queue, plan));
        let objects = FaultyPort(&self.objects, plan);
        let jobs = Jobs::new(&kv, &queue, objects, &self.clock, &self.limits);
        let user = self.user;
        let nothing = |_: Video| None;
        plan.run(async {
            match call {
                Call::Create => jobs.create(user, Self::new_video(), None).await.map(nothing),
                Call::CreateWithKey => {
                    let key = Idempotency { key: "k".to_owned(), request_hash: "same".to_owned() };
                    jobs.create(user, Self::new_video(), Some(&key)).await.map(nothing)
                }
                Call::MultipartBegun | Call::MultipartBegunTwice => {
                    let multipart = self.begin_multipart(id, "m");
                    let recorded = jobs.multipart_begun(user, id, multipart).await;
                    // The first one stays, and only that.
                    let is_first = call == Call::MultipartBegun;
                    let begun = self.objects.is_begun(&object_key::upload(user, id), "m");
                    assert!(recorded.is_err() || begun == is_first);
                    recorded.map(nothing)
                }
                Call::Uploaded | Call::UploadedBehind => {
                    jobs.uploaded(user, id).await.map(|video| Some(video.id))
                }
                Call::Run => {
                    let correlation_id = "c".parse().unwrap();
                    let run = jobs.run(user, id, Options::default(), correlation_id, None, None).await;
                    run.map(|video| Some(video.id))
                }
                Call::Claim => jobs.claim(id, worker(), Some("again".to_owned())).await.map(nothing),
                Call::Progress => {
                    let progress = Progress { stage: Stage::Extracting, percent: 5, ..Progress::default() };
                    jobs.progress(id, 1, worker(), progress).await.map(nothing)
                }
                Call::Complete => jobs.complete(id, 1, worker(), extraction()).await.map(nothing),
                Call::Fail => {
                    let failure = Failure::new(FailureCode::CorruptInput, "no frame");
                    jobs.fail(id, 1, worker(), failure, 0).await.map(nothing)
                }
                Call::Release | Call::ReleaseForTheLastTime => {
                    let attempt = if call == Call::Release { 1 } else { 3 };
                    let failure = Failure::new(FailureCode::Internal, "not now");
                    jobs.release(id, attempt, worker(), failure).await.map(nothing)
                }
                Call::Notified => jobs.notified(id, 1, false).await.map(nothing),
                Call::NoticeWithWebhook | Call::NoticeOfExpiry => {
                    jobs.notified(id, 0, true).await.map(nothing)
                }
                Call::ClaimDelivery => jobs.claim_delivery(id.into()).await.map(|_| None),
                Call::ReportDelivered => {
                    let report = Self::report(DeliveryOutcome::Delivered);
                    jobs.record_attempt(id.into(), &report).await.map(|_| None)
                }
                Call::ReportRetry => {
                    let report = Self::report(DeliveryOutcome::Retry);
                    jobs.record_attempt(id.into(), &report).await.map(|_| None)
                }
                Call::Replay => jobs.replay(user, id.into()).await.map(|_| None),
                Call::TestEvent => {
                    let (id, c) = (EventId::new(5, [5; 10]), "c".parse().unwrap());
                    let data = EventData::Test { test: true };
                    jobs.publish_event(user, id, EventType::WebhookTest, &c, data).await.map(|_| None)
                }
                Call::Cancel | Call::CancelAwaited => jobs.cancel(user, id).await.map(nothing),
                Call::Delete | Call::DeleteCompleted => jobs.delete(user, id).await.map(|()| None),
                Call::Close => jobs.close_user(user).await.map(|()| None),
                Call::SweepLostNotice
                | Call::SweepLostDelivery
                | Call::SweepClosedNotice
                | Call::SweepLostMessage
                | Call::SweepLostWorker
                | Call::SweepExpired
                | Call::SweepRetention
                | Call::SweepRemoval
                | Call::SweepPluginRejection
                | Call::SweepPluginUpload
                | Call::SweepPluginMessage
                | Call::SweepPluginRemoval => jobs.sweep().await.map(|_| None),
                Call::CloseWithPlugins => jobs.close_user(user).await.map(|()| None),
                _ => self.call_plugins(call, &jobs).await.map(|()| None),
            }
        })
    }

    /// Does what a worker does after its report was accepted: sends the notice and deletes the message.
    pub(super) fn mark_accepted(&mut self, call: Call, id: VideoId) {
        match call {
            Call::Complete | Call::Fail | Call::ReleaseForTheLastTime if !self.send_notice(id) => return,
            Call::Complete | Call::Fail | Call::ReleaseForTheLastTime | Call::Release | Call::Notified => {}
            Call::CheckPlugin | Call::RejectPlugin | Call::ReleasePlugin => self.held_checks.clear(),
            _ => return,
        }
        self.held.clear();
    }

    /// Runs the sweep and workers for so many rounds, ten minutes apart. Panics if a message is left.
    pub(super) fn run_until_idle(&mut self, rounds: u32) {
        let mut messages: Vec<JobMessage> = std::mem::take(&mut self.held);
        for _ in 0..rounds {
            self.advance_s(600);
            let swept = block_on(self.jobs().sweep()).unwrap();
            // Another caller crashed before it created a record, and counts as dead only after a minute.
            let passes = |(_, error): &(UserId, JobError)| matches!(error, JobError::Unavailable(_));
            assert!(swept.user_errors.iter().all(passes) && swept.page_errors.is_empty(), "{swept:?}");
            self.held_checks.extend(self.receive_checks());
            let checks = std::mem::take(&mut self.held_checks);
            self.held_checks = checks.into_iter().filter(|message| !self.check_plugin(message)).collect();
            messages.extend(self.receive());
            messages.retain(|message| !self.work(message));
        }
        assert!(messages.is_empty(), "messages are left: {messages:?}");
        assert!(self.held_checks.is_empty(), "messages are left: {:?}", self.held_checks);
    }

    /// Handles one message. Returns whether it may be deleted.
    fn work(&self, message: &JobMessage) -> bool {
        let id = message.video_id;
        if message.notice.is_some() {
            return self.send_notice(id);
        }
        match block_on(self.jobs().claim(id, "v".parse().unwrap(), None)) {
            Ok(video) => {
                assert!(self.objects.contains(&object_key::upload(video.owner, video.root())));
                self.put_result(&video);
                let attempt = video.state.attempts().made;
                match block_on(self.jobs().complete(id, attempt, "v".parse().unwrap(), extraction())) {
                    Ok(_) => self.send_notice(id),
                    Err(JobError::Unavailable(_)) => false,
                    Err(error) => panic!("a report failed with {error:?}"),
                }
            }
            Err(JobError::JobFinished | JobError::VideoNotFound) => self.send_notice(id),
            Err(JobError::LeaseHeld { .. } | JobError::JobNotReady | JobError::Unavailable(_)) => false,
            Err(error) => panic!("a claim failed with {error:?}"),
        }
    }
}
