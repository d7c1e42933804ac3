//! Counts consecutive jobs that a worker released because it could not work, and takes the worker out of service
//! for a while if there are too many.

use std::time::Duration;

use tokio::time::Instant;

use crate::retry;

/// When a worker takes itself out of service, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreakLimit {
    /// Jobs in a row that may be released; 0 means any number.
    pub jobs: u32,
    /// The first pause. Each further one without a good job in between is twice as long.
    pub pause: Duration,
}

/// The current streak of released jobs.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    limit: StreakLimit,
    jobs: u32,
    pauses: u32,
    out_until: Option<Instant>,
}

impl Streak {
    /// No job released yet.
    pub(crate) fn new(limit: StreakLimit) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Jobs released since the last good one.
    pub(crate) const fn jobs(&self) -> u32 {
        self.jobs
    }

    /// Until when the worker is out of service; none while it is in service.
    pub(crate) fn out_until(&self) -> Option<Instant> {
        self.out_until.filter(|until| Instant::now() < *until)
    }

    /// Notes a released job. Returns the pause if the worker goes out of service now.
    ///
    /// After a pause the worker tries again: the first released job takes it out again, a good one ends the
    /// streak.
    pub(crate) fn released(&mut self) -> Option<Duration> {
        self.jobs += 1;
        // Jobs that were already running when it went out of service do not extend the pause.
        if self.limit.jobs == 0 || self.jobs < self.limit.jobs || self.out_until().is_some() {
            return None;
        }
        self.pauses += 1;
        let pause = retry::out_of_service(self.limit.pause, self.pauses);
        self.out_until = Some(Instant::now() + pause);
        Some(pause)
    }

    /// A job went well. Returns whether the worker had been out of service since the last one.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_out = self.pauses > 0;
        *self = Self::new(self.limit);
        was_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: StreakLimit = StreakLimit { jobs: 3, pause: Duration::from_secs(60) };

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_a_job_goes_well() {
        let mut streak = Streak::new(LIMIT);
        assert_eq!([streak.released(), streak.released()], [None, None]);
        let mut longest = Duration::ZERO;
        for _ in 0..8 {
            let pause = streak.released().expect("out of service");
            assert!(pause >= LIMIT.pause && streak.out_until().is_some());
            assert_eq!(streak.released(), None, "it is out already");
            longest = longest.max(pause);
            tokio::time::advance(pause).await;
            assert_eq!(streak.out_until(), None, "it tries again");
        }
        assert!((900..=1800).contains(&longest.as_secs()), "{longest:?}");
        assert!(streak.succeeded() && streak.jobs() == 0);
        assert_eq!([streak.released(), streak.released()], [None, None], "the row begins anew");
        assert!(!streak.succeeded(), "it was in service");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let mut streak = Streak::new(StreakLimit { jobs: 0, ..LIMIT });
        assert!((0..100).all(|_| streak.released().is_none()));
    }
}
