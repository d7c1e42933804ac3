//! A plugin running on one video.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framelift_media::Filter;
use framelift_media::filter::{Answer, Decided, FilterError, Finished, Origin, Picture, Verdict};
use serde::{Deserialize, Serialize};
use wasmtime::component::{Instance, Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline};

use crate::bindings::FramePlugin;
use crate::bindings::framelift::plugin::frames::Verdict as WitVerdict;
use crate::code::{Code, EpochTicker, processor_time};
use crate::limits::PluginLimits;
use crate::logging::Log;
use crate::paint::Lettering;

/// The most bytes that one call may pass to the host: pixels of a frame, or strings and lists, which may name
/// the same memory many times.
const MAX_CALL_BYTES: usize = 160 << 20;
/// The most elements of all tables together, and the most tables, memories and instances.
const MAX_ELEMENTS: usize = 100_000;
const MAX_INSTANCES: usize = 64;
const MAX_MEMORIES: usize = 4;
/// The most characters of a plugin's error that are kept. A failure's message may have 1,000, the plugin's
/// name included.
const MAX_ERROR_CHARS: usize = 500;
/// The most log lines that are appended to an error, and the most characters of each.
const MAX_LOG_LINES: usize = 3;
const MAX_LOG_LINE_CHARS: usize = 120;

/// A running plugin. It is a filter of the extraction engine.
pub struct Plugin {
    store: Store<State>,
    instance: Instance,
    calls: FramePlugin,
    name: String,
    origin: Origin,
    /// Keeps the thread that counts time running.
    _ticker: Arc<EpochTicker>,
}

/// What a plugin has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Calls for frames.
    pub frames: u64,
    /// Processor time of all calls.
    pub time: Duration,
    /// The longest call.
    pub longest: Duration,
    /// Processor time of the calls for frames, without those that start and finish the plugin.
    pub frame_time: Duration,
    /// The most linear memory, in bytes.
    pub memory_bytes: usize,
    /// Instructions, where they are counted.
    pub fuel: u64,
    /// Instructions of the calls for frames.
    pub frame_fuel: u64,
}

/// The record of a plugin's work on a video.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it has used.
    pub usage: Usage,
    /// What it has logged.
    pub log: Log,
}

/// What the host keeps for one plugin.
pub(crate) struct State {
    pub(crate) limits: Arc<PluginLimits>,
    pub(crate) table: ResourceTable,
    pub(crate) record: Arc<Mutex<Record>>,
    pub(crate) decided: Decided,
    pub(crate) held: BTreeSet<u64>,
    pub(crate) lettering: Lettering,
    /// The processor time at which the current call must end.
    deadline: Duration,
    memory: usize,
    /// Elements of its tables.
    elements: usize,
    /// Whether it asked for more memory than allowed.
    refused_memory: bool,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        let fits = total <= self.limits.memory_bytes;
        if fits {
            self.memory = total;
        }
        self.refused_memory |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_sub(current).saturating_add(desired);
        let fits = total <= MAX_ELEMENTS;
        if fits {
            self.elements = total;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

impl Plugin {
    /// Starts an instance.
    pub(crate) fn new(code: &Code, name: &str, version: &str) -> Result<Self, FilterError> {
        let state = State {
            limits: Arc::clone(&code.limits),
            table: ResourceTable::new(),
            record: Arc::default(),
            decided: Decided::new(),
            held: BTreeSet::new(),
            lettering: Lettering::default(),
            deadline: Duration::ZERO,
            memory: 0,
            elements: 0,
            refused_memory: false,
        };
        let mut store = Store::new(code.pre.engine(), state);
        store.limiter(|state| state);
        // Called at each tick.
        store.epoch_deadline_callback(|store| {
            store.data().check_time()?;
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_hostcall_fuel(MAX_CALL_BYTES);
        // If instructions are counted, fuel counts down.
        let _ = store.set_fuel(u64::MAX);
        let instance = timed(&mut store, |store| code.pre.instance_pre().instantiate(store))?;
        let calls = timed(&mut store, |store| FramePlugin::new(store, &instance))?;
        let origin = Origin { version: version.to_owned(), sha256: code.sha256 };
        Ok(Self { store, instance, calls, name: name.to_owned(), origin, _ticker: Arc::clone(&code.ticker) })
    }

    /// The outer error is a trap or a broken limit, the inner one the plugin's own.
    pub(crate) fn configure(&mut self, configuration: &str) -> Result<Result<(), String>, FilterError> {
        let answer = self.call(|calls, store| calls.call_configure(store, configuration))?;
        Ok(answer.map_err(|words| self.with_log(&words)))
    }

    /// The schema of its configuration, if it exports one.
    pub(crate) fn schema(&mut self) -> Result<Option<String>, FilterError> {
        let instance = self.instance;
        timed(&mut self.store, |store| {
            if instance.get_export(&mut *store, None, "config-schema").is_none() {
                return Ok(None);
            }
            let call = instance.get_typed_func::<(), (String,)>(&mut *store, "config-schema")?;
            Ok(Some(call.call(store, ())?.0))
        })
    }

    /// The record of its work; up to date after each call, even after a failed one.
    pub fn record(&self) -> Arc<Mutex<Record>> {
        Arc::clone(&self.store.data().record)
    }

    /// The message for the owner about an error that a call returned.
    fn with_log(&self, words: &str) -> String {
        with_log(words, &lock(&self.store.data().record).log)
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&FramePlugin, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, FilterError> {
        let Self { store, calls, .. } = self;
        timed(store, |store| call(calls, store))
    }
}

impl State {
    /// Traps once the call has had its time. Every function of the host begins with this, because compiled code looks
    /// at the time only where functions, loops and operations on whole memories begin.
    pub(crate) fn check_time(&self) -> wasmtime::Result<()> {
        check_time(self.deadline)
    }

    /// The processor time at which the current call must end.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// Traps once this thread has had so much processor time.
pub(crate) fn check_time(deadline: Duration) -> wasmtime::Result<()> {
    if processor_time() < deadline { Ok(()) } else { Err(Trap::Interrupt.into()) }
}

/// Calls the plugin within its limits.
fn timed<T>(
    store: &mut Store<State>,
    call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<T>,
) -> Result<T, FilterError> {
    let limits = Arc::clone(&store.data().limits);
    let shared = Arc::clone(&store.data().record);
    let left = limits.video.saturating_sub(lock(&shared).usage.time);
    let most = limits.call.min(left);
    let began = processor_time();
    let state = store.data_mut();
    state.deadline = began + most;
    // A plugin may go on after it was refused memory, and fail later of something else.
    state.refused_memory = false;
    store.set_epoch_deadline(1);
    let result = if left.is_zero() {
        Err(Trap::Interrupt.into())
    } else {
        // What a function of the host does wrong is a failure of this plugin's video, and of nothing else. The
        // instance is not called again.
        std::panic::catch_unwind(AssertUnwindSafe(|| call(store)))
            .unwrap_or_else(|_| Err(wasmtime::format_err!("a function of the host did not expect this call")))
    };
    let took = processor_time().saturating_sub(began);
    // The last thing that it did may have been a long operation of the host.
    let result = result.and_then(|value| if took > most { Err(Trap::Interrupt.into()) } else { Ok(value) });
    let fuel = store.get_fuel().map_or(0, |left| u64::MAX - left);
    let mut record = lock(&shared);
    let usage = &mut record.usage;
    usage.time += took;
    usage.longest = usage.longest.max(took);
    usage.memory_bytes = store.data().memory;
    usage.fuel = fuel;
    result.map_err(|error| {
        let state = store.data();
        let words = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) if left < limits.call => {
                format!("took more than {} s for the video", limits.video.as_secs_f64())
            }
            Some(Trap::Interrupt) => format!("took more than {} ms in one call", limits.call.as_millis()),
            Some(Trap::StackOverflow) => "recursed too deeply".to_owned(),
            _ if state.refused_memory => {
                format!("needs more than {} MiB of memory", limits.memory_bytes >> 20)
            }
            Some(trap) => format!("trapped: {trap}"),
            None => format!("failed: {}", error.root_cause()),
        };
        FilterError(with_log(&words, &record.log))
    })
}

/// The message for the owner: why a plugin failed, followed by the last warnings and errors of its log, to
/// which a language's panic hook writes before the trap.
fn with_log(words: &str, log: &Log) -> String {
    let serious = |line: &&String| line.starts_with("error: ") || line.starts_with("warn: ");
    let mut last: Vec<String> = log
        .lines
        .iter()
        .rev()
        .filter(serious)
        .take(MAX_LOG_LINES)
        .map(|line| shortened(line, MAX_LOG_LINE_CHARS))
        .collect();
    last.reverse();
    let words = shortened(words, MAX_ERROR_CHARS);
    if last.is_empty() { words } else { format!("{words} ({})", last.join("; ")) }
}

/// The first `most` characters of a text.
pub(crate) fn shortened(words: &str, most: usize) -> String {
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Filter for Plugin {
    fn name(&self) -> &str {
        &self.name
    }

    fn origin(&self) -> Option<Origin> {
        Some(self.origin.clone())
    }

    fn process(&mut self, picture: Picture) -> Result<Answer, FilterError> {
        let index = picture.index();
        let table = |error| FilterError(format!("failed: {error}"));
        let frame = self.store.data_mut().table.push(picture).map_err(table)?;
        let lent = Resource::new_borrow(frame.rep());
        let record = self.record();
        let before = lock(&record).usage;
        let answer = self.call(|calls, store| calls.call_process(store, lent));
        {
            let mut record = lock(&record);
            let usage = &mut record.usage;
            usage.frames += 1;
            usage.frame_time += usage.time.saturating_sub(before.time);
            usage.frame_fuel += usage.fuel.saturating_sub(before.fuel);
        }
        let answer = answer?;
        let picture = self.store.data_mut().table.delete(frame).map_err(table)?;
        let verdict = verdict(answer.map_err(|words| FilterError(self.with_log(&words)))?);
        let state = self.store.data_mut();
        if verdict == Verdict::Hold {
            state.held.insert(index);
        }
        Ok(Answer { picture, verdict, decided: std::mem::take(&mut state.decided) })
    }

    fn finish(&mut self) -> Result<Finished, FilterError> {
        let answer = self.call(|calls, store| calls.call_finish(store))?;
        let summary = answer.map_err(|words| FilterError(self.with_log(&words)))?;
        Ok(Finished { decided: std::mem::take(&mut self.store.data_mut().decided), summary })
    }
}

pub(crate) fn verdict(answer: WitVerdict) -> Verdict {
    match answer {
        WitVerdict::Keep => Verdict::Keep(Vec::new()),
        WitVerdict::Drop => Verdict::Drop,
        WitVerdict::KeepWith(labels) => Verdict::Keep(labels),
        WitVerdict::Hold => Verdict::Hold,
    }
}
