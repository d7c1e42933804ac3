//! Whether a worker may take work: its dependencies answered recently, and control accepts it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::streak::{Streak, StreakLimit};

/// An older answer does not count.
const MAX_ANSWER_AGE: Duration = Duration::from_secs(45);

/// What a worker cannot work without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// Claims and reports.
    Control,
    /// The job queue.
    Queue,
    /// The bucket.
    Bucket,
}

impl Dependency {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Control, Self::Queue, Self::Bucket];

    /// The name in answers and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Queue => "queue",
            Self::Bucket => "bucket",
        }
    }
}

/// The last answer of one dependency.
#[derive(Clone, Debug, Default)]
struct LastAnswer {
    answered: Option<Instant>,
    problem: Option<String>,
}

impl LastAnswer {
    fn is_good(&self) -> bool {
        self.problem.is_none() && self.answered.is_some_and(|at| at.elapsed() < MAX_ANSWER_AGE)
    }
}

#[derive(Debug, Default)]
struct State {
    last: [LastAnswer; 3],
    unauthorised: bool,
    draining: bool,
    streak: Streak,
}

impl State {
    fn is_ready(&self) -> bool {
        !self.unauthorised
            && !self.draining
            && self.streak.out_until().is_none()
            && self.last.iter().all(LastAnswer::is_good)
    }
}

/// Collects answers. A worker that is not ready receives no messages, so that outages do not use up their
/// receive counts.
#[derive(Debug)]
pub(crate) struct Readiness {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Readiness {
    /// Nothing has answered yet, and no job has ended.
    pub(crate) fn new(limit: StreakLimit) -> Self {
        let state = State { streak: Streak::new(limit), ..State::default() };
        Self { state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
        result
    }

    /// Notes an answer, or that there was none.
    pub(crate) fn record(&self, dependency: Dependency, answer: Result<(), String>) {
        let name = dependency.as_str();
        self.change(|state| {
            let last = &mut state.last[dependency as usize];
            match answer {
                Ok(()) => {
                    if let Some(problem) = last.problem.take() {
                        tracing::info!(dependency = name, problem, "the {name} answers again");
                    }
                    last.answered = Some(Instant::now());
                }
                Err(problem) => {
                    if last.problem.is_none() {
                        tracing::warn!(dependency = name, problem, "the {name} does not answer");
                    }
                    last.problem = Some(problem);
                }
            }
        });
    }

    /// Control did not accept the worker credential, or does again.
    pub(crate) fn set_unauthorised(&self, unauthorised: bool) {
        let before = self.change(|state| std::mem::replace(&mut state.unauthorised, unauthorised));
        match (before, unauthorised) {
            (false, true) => {
                tracing::error!("control refuses the worker credential: this worker takes no more work");
            }
            (true, false) => tracing::info!("control accepts the worker credential again"),
            _ => {}
        }
    }

    /// Notes that a job was released for a reason of this worker's own. After too many in a row, it takes no
    /// work for a while. Returns their number, and whether it goes out of service now.
    pub(crate) fn job_released(&self) -> (u32, bool) {
        let (jobs, pause) = self.change(|state| (state.streak.jobs() + 1, state.streak.released()));
        if let Some(pause) = pause {
            tracing::error!(
                jobs,
                pause_s = pause.as_secs(),
                "jobs in a row failed for reasons of this worker's own: it is out of service for a while"
            );
        }
        (jobs, pause.is_some())
    }

    /// Notes that a job ended normally.
    pub(crate) fn job_succeeded(&self) {
        if self.change(|state| state.streak.succeeded()) {
            tracing::info!("a job went well: this worker is in service again");
        }
    }

    /// No more work from now on.
    pub(crate) fn set_draining(&self) {
        self.change(|state| state.draining = true);
    }

    /// Whether work may be taken.
    pub(crate) fn is_ready(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_ready()
    }

    /// Waits until work may be taken.
    pub(crate) async fn ready(&self) {
        let mut changed = self.changed.subscribe();
        loop {
            let out_until = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.is_ready() {
                    return;
                }
                state.streak.out_until()
            };
            // The sender lives as long as `self`.
            let _ = match out_until {
                Some(until) => tokio::time::timeout_at(until, changed.changed()).await.unwrap_or(Ok(())),
                None => changed.changed().await,
            };
        }
    }

    /// The body of `/health/ready`.
    pub(crate) fn report(&self) -> (bool, Value) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = json!({
            "status": if state.is_ready() { "ready" } else { "unready" },
            "draining": state.draining,
            "unauthorised": state.unauthorised,
            "out_of_service": state.streak.out_until().is_some(),
        });
        for dependency in Dependency::ALL {
            let last = &state.last[dependency as usize];
            report[dependency.as_str()] = match (&last.problem, last.is_good()) {
                (Some(_), _) => json!("unavailable"),
                (None, true) => json!("ok"),
                (None, false) => json!("unknown"),
            };
        }
        (state.is_ready(), report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_answer(readiness: &Readiness) {
        Dependency::ALL.iter().for_each(|dependency| readiness.record(*dependency, Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn ready_is_when_everything_answered_lately() {
        let readiness = Readiness::default();
        assert!(!readiness.is_ready());
        all_answer(&readiness);
        assert!(readiness.is_ready());
        tokio::time::advance(MAX_ANSWER_AGE).await;
        assert!(!readiness.is_ready(), "the answers are old");
        all_answer(&readiness);
        readiness.record(Dependency::Queue, Err("refused".into()));
        assert_eq!(readiness.report().1["queue"], "unavailable");
        readiness.record(Dependency::Queue, Ok(()));
        readiness.set_unauthorised(true);
        assert!(!readiness.is_ready());
        readiness.set_unauthorised(false);
        assert!(readiness.is_ready());
        readiness.set_draining();
        assert!(!readiness.report().0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_pause_of_a_worker_that_is_out_of_service() {
        let readiness = Readiness::new(StreakLimit { jobs: 1, pause: Duration::from_secs(10) });
        all_answer(&readiness);
        assert_eq!(readiness.job_released(), (1, true));
        assert_eq!(readiness.report().1["out_of_service"], true);
        assert!(!readiness.is_ready());
        let began = Instant::now();
        // With time paused, it ends as soon as nothing but the pause is waited for.
        readiness.ready().await;
        assert!(began.elapsed() >= Duration::from_secs(10));
        readiness.job_released();
        assert!(!readiness.is_ready(), "one more takes it out again");
        readiness.job_succeeded();
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_last_answer() {
        let readiness = std::sync::Arc::new(Readiness::default());
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        all_answer(&readiness);
        waiting.await.unwrap();
    }
}
