//! A store, a queue, an object store and a clock in memory, with the faults of real ones, for tests.
//!
//! The store enforces the rules of the port: a key that is swapped is never set, one that is counted is never read. A
//! seed determines the injected faults, so that every run can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use framelift_contract::message::{JobMessage, Message, PluginMessage};
use framelift_domain::Time;
use framelift_domain::video::Lane;

use crate::ports::{Ambient, Change, Kv, Objects, Queue, Swap, Unavailable};

/// The faults of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFaults {
    /// Percent of the writes that report a conflict although they landed.
    pub conflict_although_written: u32,
    /// A swap on a missing key overwrites what another writer created meanwhile.
    pub create_overwrites: bool,
    /// Other tasks run between any two steps.
    pub interleave: bool,
    /// Percent of the operations that fail before they have an effect.
    pub error_before: u32,
    /// Percent of the writes that fail after they had their effect.
    pub error_after: u32,
}

impl StoreFaults {
    /// Each fault alone, and all of them together, by name.
    pub const MODES: [(&'static str, Self); 6] = {
        let none = Self {
            conflict_although_written: 0,
            create_overwrites: false,
            interleave: false,
            error_before: 0,
            error_after: 0,
        };
        let all = Self { conflict_although_written: 20, create_overwrites: true, interleave: true, ..none };
        [
            ("none", none),
            ("interleave", Self { interleave: true, ..none }),
            ("conflict although written", Self { conflict_although_written: 30, interleave: true, ..none }),
            ("create overwrites", Self { create_overwrites: true, interleave: true, ..none }),
            ("all", all),
            ("all, and answers lost", Self { error_before: 3, error_after: 3, ..all }),
        ]
    };
}

/// A key with its new value; none if it was removed.
pub type Write = (String, Option<Vec<u8>>);

/// How a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Set,
    Swapped,
}

#[derive(Debug, Default)]
struct Rows {
    values: BTreeMap<String, (u64, Vec<u8>)>,
    uses: BTreeMap<String, Use>,
    counters: BTreeMap<String, i64>,
    version: u64,
    faults: StoreFaults,
    random: Random,
    trace: Option<Vec<Write>>,
}

/// A key-value store in memory.
#[derive(Debug, Default)]
pub struct MemoryKv {
    rows: Mutex<Rows>,
}

impl MemoryKv {
    /// An empty store with these faults.
    pub fn new(faults: StoreFaults, seed: u64) -> Self {
        Self { rows: Mutex::new(Rows { faults, random: Random::new(seed), ..Rows::default() }) }
    }

    /// Changes the faults.
    pub fn set_faults(&self, faults: StoreFaults) {
        self.rows().faults = faults;
    }

    /// All writes since the last call, in order; the first call starts the recording.
    pub fn take_writes(&self) -> Vec<Write> {
        self.rows().trace.replace(Vec::new()).unwrap_or_default()
    }

    /// All values whose keys start with `prefix`, in the order of the keys.
    pub fn dump(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let rows = self.rows();
        let found = rows.values.iter().filter(|(key, _)| key.starts_with(prefix));
        found.map(|(key, (_, value))| (key.clone(), value.clone())).collect()
    }

    /// The keys of all values and counters.
    pub fn keys(&self) -> Vec<String> {
        let rows = self.rows();
        rows.values.keys().chain(rows.counters.keys()).cloned().collect()
    }

    /// Writes a value without any check, as an earlier process may have written it.
    pub fn load(&self, key: &str, value: Vec<u8>) {
        self.rows().write(key, value);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        lock(&self.rows)
    }

    async fn step(&self) {
        let interleave = self.rows().faults.interleave;
        if interleave {
            yield_now().await;
        }
    }

    async fn before(&self) -> Result<(), Unavailable> {
        self.step().await;
        let mut rows = self.rows();
        let percent = rows.faults.error_before;
        if rows.random.percent(percent) { Err(fault("nothing was done")) } else { Ok(()) }
    }

    async fn after(&self) -> Result<(), Unavailable> {
        self.step().await;
        let mut rows = self.rows();
        let percent = rows.faults.error_after;
        if rows.random.percent(percent) { Err(fault("the answer was lost")) } else { Ok(()) }
    }
}

impl Rows {
    fn record_use(&mut self, key: &str, how: Use) {
        assert!(!self.counters.contains_key(key), "{key} is a counter");
        let known = *self.uses.entry(key.to_owned()).or_insert(how);
        assert_eq!(known, how, "{key} is used in two ways");
    }

    fn write(&mut self, key: &str, value: Vec<u8>) {
        self.version += 1;
        if let Some(trace) = &mut self.trace {
            trace.push((key.to_owned(), Some(value.clone())));
        }
        self.values.insert(key.to_owned(), (self.version, value));
    }
}

impl Kv for MemoryKv {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        self.before().await?;
        let rows = self.rows();
        assert!(!rows.counters.contains_key(key), "{key} is a counter");
        Ok(rows.values.get(key).map(|(_, value)| value.clone()))
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Unavailable> {
        self.before().await?;
        {
            let mut rows = self.rows();
            rows.record_use(key, Use::Set);
            rows.write(key, value);
        }
        self.after().await
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.before().await?;
        {
            let mut rows = self.rows();
            rows.uses.remove(key);
            rows.counters.remove(key);
            if rows.values.remove(key).is_some()
                && let Some(trace) = &mut rows.trace
            {
                trace.push((key.to_owned(), None));
            }
        }
        self.after().await
    }

    async fn swap(&self, key: &str, change: Change<'_>) -> Result<Swap, Unavailable> {
        self.before().await?;
        let before = {
            let mut rows = self.rows();
            rows.record_use(key, Use::Swapped);
            rows.values.get(key).cloned()
        };
        let Some(value) = change(before.as_ref().map(|(_, value)| value.as_slice())) else {
            return Ok(Swap::Unchanged);
        };
        self.step().await;
        {
            let mut rows = self.rows();
            let now = rows.values.get(key).map(|(version, _)| *version);
            let same = now == before.as_ref().map(|(version, _)| *version);
            let overwrites = before.is_none() && rows.faults.create_overwrites;
            if !same && !overwrites {
                return Ok(Swap::Conflict);
            }
            rows.write(key, value);
            let percent = rows.faults.conflict_although_written;
            if rows.random.percent(percent) {
                return Ok(Swap::Conflict);
            }
        }
        self.after().await?;
        Ok(Swap::Written)
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Unavailable> {
        self.before().await?;
        let sum = {
            let mut rows = self.rows();
            assert!(!rows.uses.contains_key(key), "{key} is no counter");
            let counter = rows.counters.entry(key.to_owned()).or_insert(0);
            *counter += delta;
            *counter
        };
        self.after().await?;
        Ok(sum)
    }
}

/// The state of a service behind a network. Some calls fail, half of them after they took effect.
#[derive(Debug, Default)]
struct Remote<T> {
    state: T,
    faults: u32,
    random: Random,
}

impl<T: Default> Remote<T> {
    fn new(seed: u64) -> Mutex<Self> {
        Mutex::new(Self { random: Random::new(seed), ..Self::default() })
    }
}

/// Calls the service `what`, whose state `effect` changes.
async fn call<T>(
    remote: &Mutex<Remote<T>>,
    what: &'static str,
    effect: impl FnOnce(&mut T),
) -> Result<(), Unavailable> {
    yield_now().await;
    let failed = {
        let mut remote = lock(remote);
        let percent = remote.faults;
        let failed = remote.random.percent(percent);
        if !failed || remote.random.percent(50) {
            effect(&mut remote.state);
        }
        failed
    };
    yield_now().await;
    if failed { Err(Unavailable { what, detail: "injected".to_owned() }) } else { Ok(()) }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A queue in memory, of both lanes: messages stay until they are taken.
#[derive(Debug, Default)]
pub struct MemoryQueue(Mutex<Remote<Vec<(Lane, Message, u32)>>>);

impl MemoryQueue {
    /// An empty queue.
    pub fn new(seed: u64) -> Self {
        Self(Remote::new(seed))
    }

    /// Makes that percentage of further sends fail, half of them after the message was queued.
    pub fn set_faults(&self, percent: u32) {
        lock(&self.0).faults = percent;
    }

    /// Takes all messages about videos out of both lanes, in their order, each with its delay.
    pub fn take(&self) -> Vec<(JobMessage, u32)> {
        self.take_jobs().into_iter().map(|(_, message, delay_s)| (message, delay_s)).collect()
    }

    /// The same, each with its lane.
    pub fn take_jobs(&self) -> Vec<(Lane, JobMessage, u32)> {
        self.take_if(|message| match message {
            Message::Job(message) => Ok(message),
            Message::Plugin(_) => Err(message),
        })
    }

    /// Takes all messages about plugins out, in their order, each with its lane and delay.
    pub fn take_plugins(&self) -> Vec<(Lane, PluginMessage, u32)> {
        self.take_if(|message| match message {
            Message::Plugin(message) => Ok(message),
            Message::Job(_) => Err(message),
        })
    }

    fn take_if<T>(&self, of_kind: impl Fn(Message) -> Result<T, Message>) -> Vec<(Lane, T, u32)> {
        let state = &mut lock(&self.0).state;
        let mut taken = Vec::new();
        for (lane, message, delay_s) in std::mem::take(state) {
            match of_kind(message) {
                Ok(message) => taken.push((lane, message, delay_s)),
                Err(message) => state.push((lane, message, delay_s)),
            }
        }
        taken
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, lane: Lane, message: &Message, delay_s: u32) -> Result<(), Unavailable> {
        call(&self.0, "queue", |messages| messages.push((lane, message.clone(), delay_s))).await
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// An object store in memory that can create and remove objects.
#[derive(Debug, Default)]
pub struct MemoryObjects(Mutex<Remote<Bucket>>);

#[derive(Debug, Default)]
struct Bucket {
    objects: BTreeSet<String>,
    uploads: BTreeSet<(String, String)>,
}

impl MemoryObjects {
    /// An empty bucket.
    pub fn new(seed: u64) -> Self {
        Self(Remote::new(seed))
    }

    /// Makes that percentage of further removals fail, half of them after they took effect.
    pub fn set_faults(&self, percent: u32) {
        lock(&self.0).faults = percent;
    }

    /// An object is stored.
    pub fn put(&self, key: String) {
        lock(&self.0).state.objects.insert(key);
    }

    /// A multipart upload is begun.
    pub fn begin(&self, key: String, upload_id: String) {
        lock(&self.0).state.uploads.insert((key, upload_id));
    }

    /// Whether that multipart upload is under way.
    pub fn is_begun(&self, key: &str, upload_id: &str) -> bool {
        lock(&self.0).state.uploads.contains(&(key.to_owned(), upload_id.to_owned()))
    }

    /// Whether there is an object with that key.
    pub fn contains(&self, key: &str) -> bool {
        lock(&self.0).state.objects.contains(key)
    }

    /// The keys of all objects, and of all multipart uploads.
    pub fn left(&self) -> Vec<String> {
        let Bucket { objects, uploads } = &lock(&self.0).state;
        objects.iter().chain(uploads.iter().map(|(key, _)| key)).cloned().collect()
    }

    async fn change(&self, change: impl FnOnce(&mut Bucket)) -> Result<(), Unavailable> {
        call(&self.0, "object store", change).await
    }
}

impl Objects for &MemoryObjects {
    async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), Unavailable> {
        self.change(|bucket| {
            bucket.uploads.remove(&(key.to_owned(), upload_id.to_owned()));
        })
        .await
    }

    async fn remove(&self, key: &str) -> Result<(), Unavailable> {
        self.change(|bucket| {
            bucket.objects.remove(key);
            bucket.uploads.retain(|(of, _)| of != key);
        })
        .await
    }

    async fn remove_all(&self, prefix: &str) -> Result<(), Unavailable> {
        self.change(|bucket| {
            bucket.objects.retain(|key| !key.starts_with(prefix));
            bucket.uploads.retain(|(key, _)| !key.starts_with(prefix));
        })
        .await
    }
}

/// A clock that only pauses and tests advance, and a seeded random source.
#[derive(Debug)]
pub struct TestAmbient {
    state: Mutex<(i64, Random)>,
}

impl TestAmbient {
    /// A clock in November 2023.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new((1_700_000_000_000, Random::new(seed))) }
    }

    /// Moves the clock.
    pub fn advance_ms(&self, milliseconds: i64) {
        self.state().0 += milliseconds;
    }

    fn state(&self) -> MutexGuard<'_, (i64, Random)> {
        lock(&self.state)
    }
}

impl Ambient for TestAmbient {
    fn now(&self) -> Time {
        Time::from_unix_ms(self.state().0)
    }

    fn fill_random(&self, buffer: &mut [u8]) {
        let mut state = self.state();
        for byte in buffer {
            *byte = state.1.next().to_le_bytes()[3];
        }
    }

    async fn pause(&self, milliseconds: u32) {
        self.advance_ms(i64::from(milliseconds));
        yield_now().await;
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug, Default)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True with that probability in percent.
    pub const fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent as u64
    }
}

/// Lets other tasks run once.
pub fn yield_now() -> impl Future<Output = ()> {
    Yield(false)
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn fault(detail: &str) -> Unavailable {
    Unavailable { what: "store", detail: format!("injected: {detail}") }
}
