//! Simulates one day, event by event: uploads arrive, wait for a slot of their owner, wait in the queue, run,
//! and end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use fastrand::Rng;

use crate::fleet::{PERMITS_PER_POD, POLL_MS, Scaler};
use crate::scenario::{AT_MS, LOSS_AT_MS, PEAK, PEAK_MS, Scenario};
use crate::workload::{HOURS, noisy_ms, service_ms};

const DAY_MS: u64 = 24 * 3_600_000;
/// The edge's limits for one tenant (`max_open_per_user`, `max_uploads_per_day`).
pub(crate) const MAX_OPEN: usize = 200;
const MAX_UPLOADS_PER_DAY: u64 = 5_000;
/// How long a job on a reclaimed instance goes on before it is released (`grace_period`).
const GRACE_MS: u64 = 100_000;
/// The delay of a job that was released once.
const RETRY_DELAY_MS: u64 = 3_000;
/// The noisy tenant, beside those who are numbered.
const NOISY: u64 = u64::MAX;
/// The most active tenants, who are counted apart.
pub(crate) const HEAVY: u64 = 100;

/// Waits from the handed-over upload to the first claim, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct WaitTimes(Vec<u64>);

impl WaitTimes {
    /// The wait that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> u64 {
        let at = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(at).copied().unwrap_or(0)
    }
}

/// The results of a day.
#[derive(Debug, Default)]
pub(crate) struct Day {
    pub(crate) accepted: u64,
    pub(crate) done: u64,
    /// Uploads that the quota refused.
    pub(crate) refused: u64,
    pub(crate) released: u64,
    pub(crate) heavy: WaitTimes,
    pub(crate) others: WaitTimes,
    pub(crate) noisy: WaitTimes,
    pub(crate) max_in_flight_of_one: usize,
    pub(crate) max_running: u64,
    pub(crate) max_pods: u64,
    pub(crate) pod_ms: u64,
    /// The longest time with more messages than permits.
    pub(crate) backlog_ms: u64,
    /// The most messages that waited.
    pub(crate) max_waiting: u64,
    /// The busiest minute: uploads handed over, jobs ended, users who became busy or idle.
    pub(crate) max_accepted_per_s: u64,
    pub(crate) max_done_per_s: u64,
    pub(crate) max_turns_per_s: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A second begins, in which uploads come.
    Second,
    Arrival {
        tenant: u64,
        service_ms: u64,
    },
    /// A job ends, unless it was released meanwhile.
    End {
        job: usize,
        attempt: u32,
    },
    /// A released job is in the queue again.
    Again {
        job: usize,
    },
    Look,
    Loss,
}

struct Job {
    tenant: u64,
    service_ms: u64,
    at: u64,
    attempt: u32,
    ends_at: u64,
    running: bool,
}

#[derive(Default)]
struct Tenant {
    in_flight: usize,
    waiting: VecDeque<usize>,
    accepted: u64,
}

/// What is counted in each minute.
#[derive(Clone, Copy, Default)]
struct Minute {
    accepted: u64,
    done: u64,
    turns: u64,
}

struct World<'a> {
    scenario: &'a Scenario,
    rng: Rng,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    jobs: Vec<Job>,
    tenants: HashMap<u64, Tenant>,
    queue: VecDeque<usize>,
    running: u64,
    scaler: Scaler,
    day: Day,
    minute: (u64, Minute),
    backlog_since: Option<u64>,
}

/// Simulates a day, and what it takes to finish it.
pub(crate) fn simulate(scenario: &Scenario, seed: u64) -> Day {
    let pods = scenario.videos_per_day / 10_000;
    let mut world = World {
        scenario,
        rng: Rng::with_seed(seed),
        now: 0,
        events: BinaryHeap::new(),
        sequence: 0,
        jobs: Vec::new(),
        tenants: HashMap::new(),
        queue: VecDeque::new(),
        running: 0,
        scaler: Scaler::new(scenario.fleet, pods),
        day: Day::default(),
        minute: (0, Minute::default()),
        backlog_since: None,
    };
    world.after(0, Event::Second);
    world.after(0, Event::Look);
    if scenario.loss {
        world.after(LOSS_AT_MS, Event::Loss);
    }
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        world.now = at;
        world.handle(event);
        world.start_jobs();
    }
    world.end_minute();
    world.day
}

impl World<'_> {
    fn after(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((self.now + ms, self.sequence, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Second => self.second(),
            Event::Arrival { tenant, service_ms } => self.arrival(tenant, service_ms),
            Event::End { job, attempt } => self.end(job, attempt),
            Event::Again { job } => self.queue.push_back(job),
            Event::Look => self.look(),
            Event::Loss => self.loss(),
        }
    }

    fn count(&mut self, add: impl FnOnce(&mut Minute)) {
        if self.minute.0 != self.now / 60_000 {
            self.end_minute();
            self.minute = (self.now / 60_000, Minute::default());
        }
        add(&mut self.minute.1);
    }

    fn end_minute(&mut self) {
        let (day, Minute { accepted, done, turns }) = (&mut self.day, self.minute.1);
        day.max_accepted_per_s = day.max_accepted_per_s.max(accepted.div_ceil(60));
        day.max_done_per_s = day.max_done_per_s.max(done.div_ceil(60));
        day.max_turns_per_s = day.max_turns_per_s.max(turns.div_ceil(60));
    }

    /// Spreads a second's uploads over it.
    fn second(&mut self) {
        let hour = usize::try_from(self.now / 3_600_000).unwrap_or(0) % HOURS.len();
        let in_peak = self.scenario.peak && (AT_MS..AT_MS + PEAK_MS).contains(&self.now);
        let permille = if in_peak { PEAK * 1_000 } else { HOURS[hour] };
        // The fraction of an upload comes with its probability.
        let millionths = self.scenario.videos_per_day * permille * 1_000 / 86_400;
        let uploads = (millionths + self.rng.u64(0..1_000_000)) / 1_000_000;
        for _ in 0..uploads {
            // The square of a uniform number: a few tenants upload much.
            let spread = self.rng.u64(0..1 << 20);
            let tenant = (u128::from(self.scenario.tenants) * u128::from(spread * spread)) >> 40;
            let arrival = Event::Arrival {
                tenant: u64::try_from(tenant).unwrap_or(0),
                service_ms: service_ms(&mut self.rng),
            };
            let at = self.rng.u64(0..1_000);
            self.after(at, arrival);
        }
        if self.scenario.noise && self.now >= AT_MS {
            // It uploads as much as allowed at once, and again as soon as there is room.
            let open = self.tenants.get(&NOISY).map_or(0, |tenant| tenant.in_flight + tenant.waiting.len());
            let most = if self.scenario.in_flight.is_some() { MAX_OPEN } else { usize::MAX };
            for _ in open..most.min(open + MAX_OPEN) {
                self.arrival(NOISY, noisy_ms());
            }
        }
        if self.now + 1_000 < DAY_MS {
            self.after(1_000, Event::Second);
        }
    }

    fn arrival(&mut self, tenant: u64, service_ms: u64) {
        let state = self.tenants.entry(tenant).or_default();
        let open = state.in_flight + state.waiting.len();
        let too_many = self.scenario.in_flight.is_some() && open >= MAX_OPEN;
        if too_many || state.accepted >= MAX_UPLOADS_PER_DAY {
            if tenant != NOISY {
                self.day.refused += 1;
            }
            return;
        }
        state.accepted += 1;
        let job = self.jobs.len();
        state.waiting.push_back(job);
        self.jobs.push(Job { tenant, service_ms, at: self.now, attempt: 0, ends_at: 0, running: false });
        self.day.accepted += 1;
        self.count(|minute| {
            minute.accepted += 1;
            minute.turns += u64::from(open == 0);
        });
        self.dispatch(tenant);
    }

    /// Puts a tenant's next jobs into the queue, as far as the rule allows.
    fn dispatch(&mut self, tenant: u64) {
        let most = self.scenario.in_flight.unwrap_or(usize::MAX);
        let state = self.tenants.entry(tenant).or_default();
        while state.in_flight < most {
            let Some(job) = state.waiting.pop_front() else { break };
            state.in_flight += 1;
            if self.scenario.in_flight.is_some() {
                self.day.max_in_flight_of_one = self.day.max_in_flight_of_one.max(state.in_flight);
            }
            self.queue.push_back(job);
        }
    }

    fn start_jobs(&mut self) {
        let permits = self.scaler.pods * PERMITS_PER_POD;
        while self.running < permits {
            let Some(job) = self.queue.pop_front() else { break };
            let state = &mut self.jobs[job];
            if state.attempt == 0 {
                let waits = match state.tenant {
                    NOISY => &mut self.day.noisy,
                    tenant if tenant < HEAVY => &mut self.day.heavy,
                    _ => &mut self.day.others,
                };
                waits.0.push(self.now - state.at);
            }
            state.attempt += 1;
            state.running = true;
            state.ends_at = self.now + state.service_ms;
            let (ms, attempt) = (state.service_ms, state.attempt);
            self.running += 1;
            self.after(ms, Event::End { job, attempt });
        }
        self.day.max_running = self.day.max_running.max(self.running);
        let waiting = self.queue.len() as u64;
        self.day.max_waiting = self.day.max_waiting.max(waiting);
        match (self.backlog_since, waiting > permits) {
            (None, true) => self.backlog_since = Some(self.now),
            (Some(since), false) => {
                self.day.backlog_ms = self.day.backlog_ms.max(self.now - since);
                self.backlog_since = None;
            }
            _ => {}
        }
    }

    fn end(&mut self, job: usize, attempt: u32) {
        let state = &mut self.jobs[job];
        if !state.running || state.attempt != attempt {
            return;
        }
        state.running = false;
        let tenant = state.tenant;
        self.running -= 1;
        self.day.done += 1;
        let state = self.tenants.entry(tenant).or_default();
        state.in_flight -= 1;
        let idle = state.in_flight == 0 && state.waiting.is_empty();
        self.count(|minute| {
            minute.done += 1;
            minute.turns += u64::from(idle);
        });
        self.dispatch(tenant);
    }

    fn look(&mut self) {
        let messages = self.running + self.queue.len() as u64;
        self.day.pod_ms += self.scaler.pods * POLL_MS;
        self.scaler.look(self.now, messages);
        self.day.max_pods = self.day.max_pods.max(self.scaler.pods);
        if self.now + POLL_MS < DAY_MS || messages > 0 {
            self.after(POLL_MS, Event::Look);
        }
    }

    /// Every second running job is on a reclaimed instance: it ends within its grace period or starts over.
    fn loss(&mut self) {
        self.scaler.lose_half(self.now);
        let running: Vec<usize> = (0..self.jobs.len()).filter(|job| self.jobs[*job].running).collect();
        for job in running.into_iter().step_by(2) {
            if self.jobs[job].ends_at <= self.now + GRACE_MS {
                continue;
            }
            self.jobs[job].running = false;
            self.running -= 1;
            self.day.released += 1;
            self.after(GRACE_MS + RETRY_DELAY_MS, Event::Again { job });
        }
    }
}
