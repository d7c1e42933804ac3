//! Tries each fault at each step of each call: the caller dies before the step, the step fails, or it is done
//! and its answer is lost. The caller retries or never comes back; then workers and the sweep go on, and in the
//! end nothing may be lost or left over.
//!
//! Unlike the random runs beside it, this leaves out no step of any call; it has one fault at a time.

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

/// What happens at the chosen step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The caller dies before it.
    Death,
    /// Nothing is done, and an error comes back.
    Error,
    /// It is done, and an error comes back.
    LostAnswer,
}

/// Counts the steps of a call and makes one of them go wrong.
struct Plan {
    fault: Fault,
    at: usize,
    steps: Cell<usize>,
    dead: Cell<bool>,
}

impl Plan {
    fn new(fault: Fault, at: usize) -> Self {
        Self { fault, at, steps: Cell::new(0), dead: Cell::new(false) }
    }

    /// No step goes wrong.
    fn good() -> Self {
        Self::new(Fault::Error, usize::MAX)
    }

    async fn step<T>(
        &self,
        effect: impl Future<Output = std::result::Result<T, Unavailable>>,
    ) -> std::result::Result<T, Unavailable> {
        let step = self.steps.replace(self.steps.get() + 1);
        if step != self.at {
            return effect.await;
        }
        match self.fault {
            Fault::Death => {
                self.dead.set(true);
                std::future::pending().await
            }
            Fault::Error => {}
            Fault::LostAnswer => drop(effect.await?),
        }
        Err(Unavailable { what: "a service", detail: "on purpose".to_owned() })
    }

    /// Runs a call; none if its caller dies.
    fn run<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        loop {
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => return Some(answer),
                Poll::Pending if self.dead.get() => return None,
                Poll::Pending => {}
            }
        }
    }
}

/// A port whose calls have the plan's fault.
struct Spoilt<'a, T>(&'a T, &'a Plan);

impl Kv for Spoilt<'_, MemoryKv> {
    async fn get(&self, key: &str) -> std::result::Result<Option<Vec<u8>>, Unavailable> {
        // A read is no step: a death or an error at it is one before the next write.
        self.0.get(key).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> std::result::Result<(), Unavailable> {
        self.1.step(self.0.set(key, value)).await
    }

    async fn delete(&self, key: &str) -> std::result::Result<(), Unavailable> {
        self.1.step(self.0.delete(key)).await
    }

    async fn swap(&self, key: &str, change: Change<'_>) -> std::result::Result<Swap, Unavailable> {
        self.1.step(self.0.swap(key, change)).await
    }

    async fn increment(&self, key: &str, delta: i64) -> std::result::Result<i64, Unavailable> {
        self.1.step(self.0.increment(key, delta)).await
    }
}

impl Queue for Spoilt<'_, MemoryQueue> {
    async fn send(
        &self,
        lane: Lane,
        message: &Message,
        delay_s: u32,
    ) -> std::result::Result<(), Unavailable> {
        self.1.step(self.0.send(lane, message, delay_s)).await
    }

    async fn ready(&self) -> std::result::Result<(), Unavailable> {
        self.1.step(self.0.ready()).await
    }
}

impl Objects for Spoilt<'_, MemoryObjects> {
    async fn abort_multipart(&self, key: &str, upload_id: &str) -> std::result::Result<(), Unavailable> {
        self.1.step((&self.0).abort_multipart(key, upload_id)).await
    }

    async fn remove(&self, key: &str) -> std::result::Result<(), Unavailable> {
        self.1.step((&self.0).remove(key)).await
    }

    async fn remove_all(&self, prefix: &str) -> std::result::Result<(), Unavailable> {
        self.1.step((&self.0).remove_all(prefix)).await
    }
}

/// Makes one call with one fault. Returns whether the call has so many steps.
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
            return Err(format!("tried again, it answers {answer:?}"));
        }
    }
    let answered = matches!(answer, Some(Ok(_)));
    if let Some(Ok(accepted)) = answer {
        scene.accepted.extend(accepted);
        scene.dealt_with(call, id);
    }
    let mut seen = Invariants::new(&scene.limits);
    scene.go_on(7);
    for (key, value) in scene.kv.take_writes() {
        seen.written(&key, value.as_deref()).map_err(|wrong| format!("{key}: {wrong}"))?;
    }
    seen.all_done(&scene.accepted)?;
    scene.plugins_settled()?;
    scene.check_received(call, answered, &seen)?;
    // What lasts longest is the same for most steps.
    if again || !at.is_multiple_of(5) {
        return Ok(reached);
    }
    scene.delete_plugins();
    // Retention, and a day more.
    scene.advance_s(scene.limits.retention_s);
    scene.go_on(3);
    for _ in 0..3 {
        scene.advance_s(26 * 3600);
        scene.go_on(3);
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

/// Makes a call with each fault at each of its steps. Returns what went wrong.
fn check_all(call: Call) -> Vec<String> {
    let (mut checked, mut wrong) = (0, Vec::new());
    for (fault, again) in [(Fault::Death, false), (Fault::Error, true), (Fault::LostAnswer, true)] {
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
fn every_fault_at_every_step_of_every_call_heals() {
    let wrong = on_all_processors(Call::VARIANTS, |call| check_all(*call)).concat();
    assert!(wrong.is_empty(), "{} cases: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
}
