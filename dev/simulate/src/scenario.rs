//! The days that are simulated.

use crate::fleet::Fleet;

/// The peak's length and the hour at which it, the loss and the noise begin.
pub(crate) const PEAK_MS: u64 = 600_000;
pub(crate) const AT_MS: u64 = 12 * 3_600_000;
/// The loss comes when most is running.
pub(crate) const LOSS_AT_MS: u64 = 20 * 3_600_000;
/// How much more than on average comes in a peak.
pub(crate) const PEAK: u64 = 50;

/// A day.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) videos_per_day: u64,
    pub(crate) tenants: u64,
    pub(crate) fleet: Fleet,
    pub(crate) peak: bool,
    pub(crate) loss: bool,
    /// A tenant who hands over as much as is allowed.
    pub(crate) noise: bool,
    /// `max_in_flight_per_user`; none puts everything into the queue at once.
    pub(crate) in_flight: Option<usize>,
}

impl Scenario {
    pub(crate) fn ordinary() -> Self {
        Self {
            name: "an ordinary day",
            videos_per_day: 1_000_000,
            tenants: 200_000,
            fleet: Fleet { min_pods: 2, max_pods: 1_500 },
            peak: false,
            loss: false,
            noise: false,
            in_flight: Some(5),
        }
    }

    pub(crate) fn with_peak(self) -> Self {
        Self { name: "50 times as many for ten minutes", peak: true, ..self }
    }

    pub(crate) fn with_loss(self) -> Self {
        Self { name: "half of all workers lost at once, in the busiest hour", loss: true, ..self }
    }

    pub(crate) fn with_noise(self, rule: bool) -> Self {
        let name = if rule { "one noisy tenant" } else { "one noisy tenant, without the rule of five" };
        let fleet = Fleet { max_pods: 350, ..self.fleet };
        Self { name, noise: true, in_flight: self.in_flight.filter(|_| rule), fleet, ..self }
    }

    pub(crate) fn with_max_pods(self, max_pods: u64) -> Self {
        Self { fleet: Fleet { max_pods, ..self.fleet }, ..self }
    }
}
