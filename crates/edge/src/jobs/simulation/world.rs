//! The world that the actors share: a store, a clock, a queue of two lanes that delivers messages repeatedly and out of
//! order, an object store, and a record of what users were promised.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::task::Poll;

use framelift_contract::message::JobMessage;
use framelift_contract::object_key;
use framelift_domain::video::{Extraction, Lane};
use framelift_domain::{EventId, Limits, Time, UserId, Video, VideoId};
use futures::executor::block_on;

use super::invariants;
use crate::jobs::Jobs;
use crate::ports::{Ambient, Queue};
use crate::store::memory::{MemoryKv, MemoryObjects, MemoryQueue, Random, StoreFaults};

/// How often a message is received before it goes to the dead letters.
const MAX_RECEIVES: u32 = 5;
/// How long a received message is hidden.
const VISIBILITY_S: i64 = 60;

/// A clock that only the executor moves: a pause lasts until it has.
pub(super) struct Clock {
    now_ms: Cell<i64>,
    random: RefCell<Random>,
    waits_until: Cell<Option<i64>>,
}

impl Clock {
    /// Until when the task that was polled last waits, if it does nothing else.
    pub(super) fn take_wait(&self) -> Option<i64> {
        self.waits_until.take()
    }

    pub(super) fn advance_ms(&self, milliseconds: i64) {
        self.now_ms.set(self.now_ms.get() + milliseconds);
    }
}

impl Ambient for Clock {
    fn now(&self) -> Time {
        Time::from_unix_ms(self.now_ms.get())
    }

    fn fill_random(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.random.borrow_mut().next().to_le_bytes()[3];
        }
    }

    async fn pause(&self, milliseconds: u32) {
        let until = self.now_ms.get() + i64::from(milliseconds);
        poll_fn(|context| {
            if self.now_ms.get() >= until {
                return Poll::Ready(());
            }
            // A task that waits for several futures polls only those that were woken.
            context.waker().wake_by_ref();
            self.waits_until.set(Some(until));
            Poll::Pending
        })
        .await;
    }
}

/// A message in the queue.
struct Message {
    id: u64,
    lane: Lane,
    body: JobMessage,
    visible_at: Time,
    receives: u32,
}

/// A message that was received.
pub(super) struct Received {
    pub(super) id: u64,
    pub(super) body: JobMessage,
    /// It was received too often and is a dead letter.
    pub(super) dead: bool,
}

pub(super) struct World {
    pub(super) kv: MemoryKv,
    pub(super) queue: MemoryQueue,
    objects: MemoryObjects,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    messages: RefCell<Vec<Message>>,
    next_message: Cell<u64>,
    random: RefCell<Random>,
    accepted: RefCell<BTreeSet<VideoId>>,
    created: RefCell<BTreeSet<VideoId>>,
    results: RefCell<BTreeMap<VideoId, Extraction>>,
    closing: RefCell<BTreeSet<UserId>>,
    closed: Cell<bool>,
    violation: RefCell<Option<String>>,
    fault_free: Cell<bool>,
    /// Whether no worker takes messages of the main lane.
    main_lane_blocked: Cell<bool>,
    /// The events that the receiver of the first user's webhook accepted.
    webhooks: RefCell<invariants::Received>,
}

impl World {
    pub(super) fn new(seed: u64, faults: StoreFaults, limits: Limits) -> Self {
        let clock = Clock {
            now_ms: Cell::new(1_700_000_000_000),
            random: RefCell::new(Random::new(seed + 1)),
            waits_until: Cell::new(None),
        };
        Self {
            kv: MemoryKv::new(faults, seed + 2),
            queue: MemoryQueue::new(seed + 3),
            objects: MemoryObjects::new(seed + 5),
            clock,
            limits,
            messages: RefCell::default(),
            next_message: Cell::new(0),
            random: RefCell::new(Random::new(seed + 4)),
            accepted: RefCell::default(),
            created: RefCell::default(),
            results: RefCell::default(),
            closing: RefCell::default(),
            closed: Cell::new(false),
            violation: RefCell::default(),
            fault_free: Cell::new(false),
            main_lane_blocked: Cell::new(false),
            webhooks: RefCell::default(),
        }
    }

    pub(super) fn jobs(&self) -> Jobs<'_, MemoryKv, MemoryQueue, &MemoryObjects, Clock> {
        Jobs::new(&self.kv, &self.queue, &self.objects, &self.clock, &self.limits)
    }

    pub(super) fn user(&self, n: u8) -> UserId {
        UserId::new(1, [n; 10])
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    pub(super) fn percent(&self, percent: u32) -> bool {
        self.random.borrow_mut().percent(percent)
    }

    pub(super) fn pick<T: Copy>(&self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { from.get(self.below(from.len() as u64) as usize).copied() }
    }

    pub(super) fn is_fault_free(&self) -> bool {
        self.fault_free.get()
    }

    pub(super) fn stop_faults(&self) {
        self.fault_free.set(true);
    }

    pub(super) fn is_main_lane_blocked(&self) -> bool {
        self.main_lane_blocked.get()
    }

    pub(super) fn set_main_lane_blocked(&self, main_lane_blocked: bool) {
        self.main_lane_blocked.set(main_lane_blocked);
    }

    pub(super) fn begin_closing(&self, user: UserId) {
        self.closing.borrow_mut().insert(user);
    }

    /// Records that the account is closed for good.
    pub(super) fn finish_closing(&self) {
        self.closed.set(true);
    }

    /// Whether there is nothing more to close.
    pub(super) fn is_closed(&self) -> bool {
        self.is_fault_free() && self.closed.get()
    }

    /// Whether the sweep has gone through everything that is due.
    pub(super) fn swept_up(&self) -> Result<(), String> {
        let this_hour = self.clock.now().unix_s() / 3600;
        let is_due = |key: &String| {
            let hour =
                key.strip_prefix("expire/").and_then(|rest| rest.split('/').next()?.parse::<i64>().ok());
            hour.is_some_and(|hour| hour <= this_hour)
        };
        match self.kv.keys().into_iter().find(is_due) {
            Some(key) => Err(format!("{key} is due")),
            None => Ok(()),
        }
    }

    pub(super) fn may_be_closed(&self, user: UserId) -> bool {
        self.closing.borrow().contains(&user)
    }

    pub(super) fn record_violation(&self, what: String) {
        self.violation.borrow_mut().get_or_insert(what);
    }

    pub(super) fn take_violation(&self) -> Option<String> {
        self.violation.borrow_mut().take()
    }

    /// Delivers what was sent since the last call, and returns it.
    pub(super) fn deliver(&self) -> Vec<(Lane, JobMessage)> {
        let now = self.clock.now();
        let deliver = |(lane, body, delay_s): (Lane, JobMessage, u32)| {
            let id = self.next_message.replace(self.next_message.get() + 1);
            let visible_at = now.plus_s(delay_s);
            self.messages.borrow_mut().push(Message {
                id,
                lane,
                body: body.clone(),
                visible_at,
                receives: 0,
            });
            (lane, body)
        };
        self.queue.take_jobs().into_iter().map(deliver).collect()
    }

    /// Whether both lanes are empty.
    pub(super) fn no_messages(&self) -> Result<(), String> {
        match self.messages.borrow().first() {
            Some(message) => Err(format!("a message is left in {:?}: {:?}", message.lane, message.body)),
            None => Ok(()),
        }
    }

    /// Any message of the lane that is visible; now and then one that is not, as if its time were over.
    pub(super) fn receive(&self, lane: Lane) -> Option<Received> {
        let now = self.clock.now();
        let mut messages = self.messages.borrow_mut();
        let twice = self.percent(3);
        let is_visible = |message: &Message| message.lane == lane && (twice || message.visible_at <= now);
        let visible: Vec<usize> = (0..messages.len()).filter(|n| is_visible(&messages[*n])).collect();
        let message = &mut messages[self.pick(&visible)?];
        message.receives += 1;
        message.visible_at = now.plus_s(VISIBILITY_S);
        let dead = message.receives > MAX_RECEIVES;
        Some(Received { id: message.id, body: message.body.clone(), dead })
    }

    pub(super) fn extend(&self, id: u64) {
        let until = self.clock.now().plus_s(VISIBILITY_S);
        for message in self.messages.borrow_mut().iter_mut().filter(|message| message.id == id) {
            message.visible_at = until;
        }
    }

    pub(super) fn acknowledge(&self, id: u64) {
        self.messages.borrow_mut().retain(|message| message.id != id);
    }

    pub(super) fn put_upload(&self, user: UserId, id: VideoId) {
        self.objects.put(object_key::upload(user, id));
    }

    /// A worker that has the job must find the upload.
    pub(super) fn read_upload(&self, video: &Video) {
        let key = object_key::upload(video.owner, video.root());
        if !self.objects.contains(&key) {
            self.record_violation(format!("{key} went while {} was to be worked on", video.id));
        }
    }

    pub(super) fn objects_left(&self) -> Vec<String> {
        self.objects.left()
    }

    /// From now on, so many percent of the deletions of objects fail.
    pub(super) fn set_object_faults(&self, percent: u32) {
        self.objects.set_faults(percent);
    }

    pub(super) fn begin_multipart(&self, user: UserId, id: VideoId, upload_id: &str) {
        self.objects.begin(object_key::upload(user, id), upload_id.to_owned());
    }

    pub(super) fn is_multipart_begun(&self, user: UserId, id: VideoId, upload_id: &str) -> bool {
        self.objects.is_begun(&object_key::upload(user, id), upload_id)
    }

    /// A worker stores the archive of its attempt, and its index.
    pub(super) fn put_result(&self, video: &Video) {
        for key in result_keys(video) {
            self.objects.put(key);
        }
    }

    /// A result that may be downloaded is there.
    pub(super) fn read_result(&self, video: &Video) {
        for key in result_keys(video) {
            if video.result_kept(self.clock.now(), &self.limits) && !self.objects.contains(&key) {
                self.record_violation(format!("{key} is gone, and {} has a result", video.id));
            }
        }
    }

    /// The receiver of the first user's webhook takes an event: always the same one under its id.
    pub(super) fn take_webhook(&self, id: EventId, body: &str) {
        let mut webhooks = self.webhooks.borrow_mut();
        if webhooks.entry(id).or_insert_with(|| body.to_owned()) != body {
            self.record_violation(format!("{id} came with another body"));
        }
    }

    pub(super) fn webhooks(&self) -> invariants::Received {
        self.webhooks.borrow().clone()
    }

    pub(super) fn promise_created(&self, id: VideoId) {
        self.created.borrow_mut().insert(id);
    }

    pub(super) fn promise_accepted(&self, id: VideoId) {
        self.accepted.borrow_mut().insert(id);
    }

    pub(super) fn created(&self) -> BTreeSet<VideoId> {
        self.created.borrow().clone()
    }

    pub(super) fn accepted(&self) -> BTreeSet<VideoId> {
        self.accepted.borrow().clone()
    }

    /// Records that a worker was told that its result is published.
    pub(super) fn published(&self, id: VideoId, result: &Extraction) {
        let mut results = self.results.borrow_mut();
        let first = results.entry(id).or_insert_with(|| result.clone());
        if first != result {
            self.record_violation(format!("{id} was published twice"));
        }
    }

    /// All of a user's videos, page by page.
    pub(super) fn listed(&self, user: u8) -> Vec<VideoId> {
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = block_on(self.jobs().list(self.user(user), cursor.as_deref(), 7, None)).unwrap();
            ids.extend(page.items.iter().map(|found| found.video.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return ids;
            }
        }
    }

    pub(super) async fn queue_ready(&self) {
        // `ready` of the queue in memory never fails.
        let _ = self.queue.ready().await;
    }
}

/// The objects that an attempt's result is made of.
fn result_keys(video: &Video) -> [String; 2] {
    let attempt = video.state.attempts().made;
    [object_key::result, object_key::frame_index].map(|key| key(video.owner, video.id, attempt))
}
