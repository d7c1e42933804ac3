//! Injects each kind of fault at each step of each call, one fault at a time: the caller crashes before a write, a read
//! or a write fails, or a write succeeds and its answer is lost.
//!
//! After a failure the caller retries, after a crash it does not. Then workers and the sweep run until nothing is left to
//! do. No accepted video may be lost, and no message, object or value may be left.

mod scene;

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use framelift_contract::message::Message;
use framelift_domain::video::Lane;
use strum::VariantArray as _;

use super::invariants::Invariants;
use super::on_all_processors;
use crate::jobs::JobError;
use crate::ports::{Change, Kv, Objects, Queue, Swap, Unavailable};
use crate::store::memory::{MemoryKv, MemoryObjects, MemoryQueue};
use scene::{Call, Scene};

/// The fault of the chosen step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The caller crashes before a write.
    Crash,
    /// A write fails and has no effect.
    Error,
    /// A write has its effect and fails.
    LostAnswer,
    /// A read fails.
    ReadError,
}

/// Counts the steps of a call and injects the fault at one of them. Steps are the reads for [`Fault::ReadError`], and the
/// writes for all other faults.
struct Plan {
    fault: Fault,
    at: usize,
    steps: Cell<usize>,
    crashed: Cell<bool>,
}

impl Plan {
    fn new(fault: Fault, at: usize) -> Self {
        Self { fault, at, steps: Cell::new(0), crashed: Cell::new(false) }
    }

    /// A plan without a fault.
    fn good() -> Self {
        Self::new(Fault::Error, usize::MAX)
    }

    /// Counts a step. Returns whether the fault is to be injected.
    fn is_faulty(&self) -> bool {
        self.steps.replace(self.steps.get() + 1) == self.at
    }

    async fn write<T>(
        &self,
        effect: impl Future<Output = std::result::Result<T, Unavailable>>,
    ) -> std::result::Result<T, Unavailable> {
        if self.fault == Fault::ReadError || !self.is_faulty() {
            return effect.await;
        }
        match self.fault {
            Fault::Crash => {
                self.crashed.set(true);
                std::future::pending().await
            }
            Fault::LostAnswer => drop(effect.await?),
            Fault::Error | Fault::ReadError => {}
        }
        Err(injected())
    }

    async fn read<T>(
        &self,
        read: impl Future<Output = std::result::Result<T, Unavailable>>,
    ) -> std::result::Result<T, Unavailable> {
        if self.fault == Fault::ReadError && self.is_faulty() { Err(injected()) } else { read.await }
    }

    /// Runs a call. Returns none if its caller crashes.
    fn run<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        loop {
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => return Some(answer),
                Poll::Pending if self.crashed.get() => return None,
                Poll::Pending => {}
            }
        }
    }
}

fn injected() -> Unavailable {
    Unavailable { what: "a service", detail: "injected".to_owned() }
}

/// Whether a key is a page of a list that the sweep reads. There are hundreds of them in a sweep, nearly all missing.
fn is_list_page(key: &str) -> bool {
    ["work/", "kept/", "checks/", "notices/", "expire/"].iter().any(|list| key.starts_with(list))
}

/// A port whose operations have the plan's fault.
struct FaultyPort<'a, T>(&'a T, &'a Plan);

impl Kv for FaultyPort<'_, MemoryKv> {
    async fn get(&self, key: &str) -> std::result::Result<Option<Vec<u8>>, Unavailable> {
        if is_list_page(key) && self.0.get(key).await?.is_none() {
            return Ok(None);
        }
        self.1.read(self.0.get(key)).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> std::result::Result<(), Unavailable> {
        self.1.write(self.0.set(key, value)).await
    }

    async fn delete(&self, key: &str) -> std::result::Result<(), Unavailable> {
        self.1.write(self.0.delete(key)).await
    }

    async fn swap(&self, key: &str, change: Change<'_>) -> std::result::Result<Swap, Unavailable> {
        self.1.write(self.0.swap(key, change)).await
    }

    async fn increment(&self, key: &str, delta: i64) -> std::result::Result<i64, Unavailable> {
        self.1.write(self.0.increment(key, delta)).await
    }
}

impl Queue for FaultyPort<'_, MemoryQueue> {
    async fn send(
        &self,
        lane: Lane,
        message: &Message,
        delay_s: u32,
    ) -> std::result::Result<(), Unavailable> {
        self.1.write(self.0.send(lane, message, delay_s)).await
    }

    async fn ready(&self) -> std::result::Result<(), Unavailable> {
        self.1.write(self.0.ready()).await
    }
}

impl Objects for FaultyPort<'_, MemoryObjects> {
    async fn abort_multipart(&self, key: &str, upload_id: &str) -> std::result::Result<(), Unavailable> {
        self.1.write((&self.0).abort_multipart(key, upload_id)).await
    }

    async fn remove(&self, key: &str) -> std::result::Result<(), Unavailable> {
        self.1.write((&self.0).remove(key)).await
    }

    async fn remove_all(&self, prefix: &str) -> std::result::Result<(), Unavailable> {
        self.1.write((&self.0).remove_all(prefix)).await
    }
}

/// Makes one call with a fault at one step. Returns whether the call has that step.
fn check(call: Call, fault: Fault, at: usize, again: bool) -> std::result::Result<bool, String> {
    let mut scene = Scene::new();
    let id = scene.prepare(call);
    let plan = Plan::new(fault, at);
    let mut answer = scene.make(call, id, &plan);
    let reached = plan.steps.get() > at;
    if again && !matches!(answer, Some(Ok(_))) {
        answer = scene.make(call, id, &Plan::good());
        // A creation whose answer was lost keeps others from creating the same key for a while.
        for _ in 0..4 {
            if matches!(answer, Some(Err(JobError::Unavailable(_)))) {
                scene.advance_s(61);
                answer = scene.make(call, id, &Plan::good());
            }
        }
        let done_already = matches!(answer, Some(Err(JobError::VideoNotFound)))
            && matches!(call, Call::Delete | Call::DeleteCompleted)
            || matches!((call, &answer), (Call::DeletePlugin, Some(Err(JobError::PluginNotFound))));
        if !done_already && !matches!(answer, Some(Ok(_))) {
            return Err(format!("the repeated call answers {answer:?}"));
        }
    }
    let answered = matches!(answer, Some(Ok(_)));
    if let Some(Ok(accepted)) = answer {
        scene.accepted.extend(accepted);
        scene.mark_accepted(call, id);
    }
    let mut seen = Invariants::new(&scene.limits);
    scene.run_until_idle(7);
    for (key, value) in scene.kv.take_writes() {
        seen.written(&key, value.as_deref()).map_err(|wrong| format!("{key}: {wrong}"))?;
    }
    seen.all_done(&scene.accepted)?;
    scene.plugins_settled()?;
    scene.check_received(call, answered, &seen)?;
    // The retention takes long to simulate, and ends alike after most steps.
    if again || !at.is_multiple_of(5) {
        return Ok(reached);
    }
    scene.delete_plugins();
    // The retention, and the day after which values are removed.
    scene.advance_s(scene.limits.retention_s);
    scene.run_until_idle(3);
    for _ in 0..3 {
        scene.advance_s(26 * 3600);
        scene.run_until_idle(3);
    }
    for (key, value) in scene.kv.take_writes() {
        seen.written(&key, value.as_deref()).map_err(|wrong| format!("{key}: {wrong}"))?;
    }
    seen.all_purged()?;
    seen.all_removed()?;
    match scene.objects.left().as_slice() {
        [] => Ok(reached),
        left => Err(format!("objects are left: {left:?}")),
    }
}

/// Makes a call with each fault at each of its steps. Returns the violations.
fn check_all(call: Call) -> Vec<String> {
    let (mut checked, mut wrong) = (0, Vec::new());
    let faults =
        [(Fault::Crash, false), (Fault::Error, true), (Fault::LostAnswer, true), (Fault::ReadError, true)];
    for (fault, again) in faults {
        for at in 0.. {
            match check(call, fault, at, again) {
                Ok(true) => checked += 1,
                Ok(false) => break,
                Err(why) => wrong.push(format!("{call:?}, {fault:?} at step {at}: {why}")),
            }
            assert!(at < 100, "{wrong:#?}");
        }
    }
    assert!(checked >= 3, "{call:?} has no steps");
    wrong
}

#[test]
fn the_system_recovers_from_every_fault_at_every_step() {
    let wrong = on_all_processors(Call::VARIANTS, |call| check_all(*call)).concat();
    assert!(wrong.is_empty(), "{} cases: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
}
