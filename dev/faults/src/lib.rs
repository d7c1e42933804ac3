//! Fault injection for the servers of the local cloud. Nothing goes wrong until a test adds a rule.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers with an error without doing the work.
    Error {
        /// The HTTP status.
        status: u16,
        /// S3's code for it; SQS has one for each status.
        code: &'static str,
    },
    /// Closes the connection without an answer and without doing the work.
    Reset,
    /// Does the work, then closes the connection after this many bytes of the answer's body. SQS
    /// sends nothing of its answer.
    Truncate {
        /// Bytes that still arrive.
        after: u64,
    },
    /// Never answers and does nothing.
    Stall,
    /// Waits before doing the work.
    Delay(Duration),
    /// SQS: delivers the received message a second time, under the same message id.
    Duplicate,
}

impl Fault {
    /// 500 `InternalError`.
    pub const INTERNAL_ERROR: Self = Self::Error { status: 500, code: "InternalError" };
    /// 503 `SlowDown`.
    pub const SLOW_DOWN: Self = Self::Error { status: 503, code: "SlowDown" };
}

/// Selects the requests that a fault hits: all of them, unless the rule is narrowed.
///
/// A request is named by its operation and target: `PUT /bucket/key?partNumber=1` in S3,
/// `SendMessage` in SQS.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Option<Fault>,
    operation: &'static str,
    target: String,
    every: NonZeroU32,
    left: Option<u32>,
    seen: Arc<AtomicU64>,
}

impl Rule {
    /// Hits every request.
    pub fn new(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::watch() }
    }

    /// Hits no request, and only counts them.
    pub fn watch() -> Self {
        Self {
            fault: None,
            operation: "",
            target: String::new(),
            every: NonZeroU32::MIN,
            left: None,
            seen: Arc::default(),
        }
    }

    /// Only requests of this operation whose target contains `target`; an empty text means any.
    pub fn on(mut self, operation: &'static str, target: impl Into<String>) -> Self {
        (self.operation, self.target) = (operation, target.into());
        self
    }

    /// Only each `n`-th of them, counted from now; 0 is taken as 1.
    pub fn every(mut self, n: u32) -> Self {
        self.every = NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        self
    }

    /// No more than `n` of them.
    pub fn times(mut self, n: u32) -> Self {
        self.left = Some(n);
        self
    }

    fn matches(&self, request: &str) -> bool {
        let (operation, target) = request.split_once(' ').unwrap_or((request, ""));
        (self.operation.is_empty() || self.operation == operation) && target.contains(&self.target)
    }

    /// Counts a request and returns the fault if the rule hits it.
    fn count(&mut self) -> Option<Fault> {
        let seen = self.seen.fetch_add(1, Relaxed) + 1;
        let due = seen.is_multiple_of(u64::from(self.every.get())) && self.left != Some(0);
        let fault = self.fault.filter(|_| due)?;
        self.left = self.left.map(|left| left - 1);
        Some(fault)
    }
}

/// The requests that a rule has looked at so far. A rule does not look at what an earlier one hit.
#[derive(Debug, Clone)]
pub struct Seen(Arc<AtomicU64>);

impl Seen {
    /// Their number.
    pub fn requests(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The rules of a running server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    injected: u64,
}

impl Faults {
    /// Adds a rule behind the others.
    pub fn add(&self, rule: Rule) -> Seen {
        let seen = Seen(rule.seen.clone());
        self.state().rules.push(rule);
        seen
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// The number of requests and deliveries that were hit so far.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    /// For servers: counts a request, such as `GET /bucket/key`, and returns what is to go wrong.
    pub fn next(&self, request: &str) -> Option<Fault> {
        self.hit(|rule| rule.fault != Some(Fault::Duplicate) && rule.matches(request))
    }

    /// For servers: counts the delivery of a message and returns whether it is delivered twice.
    pub fn next_is_duplicate(&self) -> bool {
        self.hit(|rule| rule.fault == Some(Fault::Duplicate)).is_some()
    }

    fn hit(&self, concerned: impl Fn(&Rule) -> bool) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.rules.iter_mut().filter(|rule| concerned(rule)).find_map(Rule::count);
        state.injected += u64::from(fault.is_some());
        fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hit_what_they_name_one_after_the_other() {
        let faults = Faults::default();
        let gets = faults.add(Rule::watch().on("GET", ""));
        faults.add(Rule::new(Fault::Reset).on("GET", "uploads/").times(2));
        let rest = faults.add(Rule::new(Fault::Stall).every(2));
        let hits: Vec<_> = ["GET /b/uploads/1", "PUT /b/uploads/1", "GET /b/x", "GET /b/uploads/2"]
            .into_iter()
            .chain(["GET /b/uploads/3", "GET /b/uploads/4"])
            .map(|request| faults.next(request))
            .collect();
        let (reset, stall) = (Some(Fault::Reset), Some(Fault::Stall));
        assert_eq!(hits, [reset, None, stall, reset, None, stall]);
        assert_eq!((gets.requests(), rest.requests(), faults.injected()), (5, 4, 4));
        faults.clone().clear();
        assert_eq!(faults.next("GET /b/uploads/1"), None);
    }

    #[test]
    fn deliveries_are_no_requests() {
        let faults = Faults::default();
        faults.add(Rule::new(Fault::Duplicate).every(2));
        assert_eq!(faults.next("ReceiveMessage"), None);
        assert_eq!([faults.next_is_duplicate(), faults.next_is_duplicate()], [false, true]);
        faults.add(Rule::new(Fault::SLOW_DOWN).on("ReceiveMessage", ""));
        assert_eq!(faults.next("ReceiveMessage"), Some(Fault::SLOW_DOWN));
        assert!(!faults.next_is_duplicate());
    }
}
