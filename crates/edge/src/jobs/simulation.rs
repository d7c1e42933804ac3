//! Simulates users, workers and sweeps that run concurrently, with random interleavings and random faults: the store,
//! the queue and the object store fail before or after any operation, and actors crash at any await.
//!
//! [`Invariants`] are checked after each write. When the faults have stopped, the simulation checks in turn that short
//! jobs end while the main lane is blocked, that all accepted work ends, and that nothing is left after the retention.

mod actors;
mod every_step;
mod invariants;
mod world;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;

use framelift_domain::Limits;
use framelift_domain::video::{Lane, StateName};
use strum::VariantArray as _;

use crate::ports::Ambient;
use crate::store::memory::{Random, StoreFaults};
use actors::Role;
use invariants::Invariants;
use world::World;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Polls randomly chosen tasks. Restarts a task when it ends or crashes.
struct Executor {
    world: Rc<World>,
    tasks: Vec<(Role, Task, Option<i64>)>,
    invariants: Invariants,
    random: Random,
    seed: u64,
    /// Prints the writes of keys that contain it.
    shown: Option<String>,
}

/// How often actors crash and the clock jumps.
#[derive(Clone, Copy)]
struct FaultRates {
    /// How many of 10,000 polls are replaced by a crash of the actor.
    crash_per_10_000: u64,
    /// How many of 1,000 steps begin with a jump of the clock.
    clock_jumps_per_1_000: u64,
    /// The longest jump, in milliseconds.
    max_clock_jump_ms: u64,
}

impl Executor {
    fn new(seed: u64, roles: Vec<Role>, store_faults: StoreFaults, limits: Limits) -> Self {
        let world = Rc::new(World::new(seed, store_faults, limits));
        let invariants = Invariants::new(&world.limits);
        let tasks = roles.into_iter().map(|role| (role, role.begin(&world), None)).collect();
        world.kv.take_writes();
        let shown = std::env::var("SIMULATION_KEY").ok();
        Self { world, tasks, invariants, random: Random::new(seed ^ 0x5eed), seed, shown }
    }

    /// Advances the clock: by a few milliseconds, sometimes by a jump that is long enough for leases to expire, and to
    /// the next wake-up if all actors sleep.
    fn pass_time(&mut self, rates: FaultRates) {
        let mut ms = self.random.below(8) as i64;
        if self.random.below(1000) < rates.clock_jumps_per_1_000 {
            ms += self.random.below(rates.max_clock_jump_ms) as i64;
        }
        let all_sleep = self.tasks.iter().all(|(_, _, until)| until.is_some());
        if all_sleep && let Some(first) = self.tasks.iter().filter_map(|(_, _, until)| *until).min() {
            ms += (first - self.world.clock.now().unix_ms()).max(0);
        }
        self.world.clock.advance_ms(ms);
    }

    fn step(&mut self, rates: FaultRates) {
        self.pass_time(rates);
        let n = self.random.below(self.tasks.len() as u64) as usize;
        let (role, task, waits_until) = &mut self.tasks[n];
        let crashes = self.random.below(10_000) < rates.crash_per_10_000;
        self.world.clock.take_wait();
        if crashes || task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            *task = role.begin(&self.world);
        }
        *waits_until = self.world.clock.take_wait();
        for (key, value) in self.world.kv.take_writes() {
            if self.shown.as_ref().is_some_and(|wanted| key.contains(wanted)) {
                let text = value.as_deref().map_or("removed".into(), String::from_utf8_lossy);
                println!("{} {role:?} {key} {text}", self.world.clock.now());
            }
            if let Err(wrong) = self.invariants.written(&key, value.as_deref()) {
                panic!("seed {}: {key}: {wrong}", self.seed);
            }
        }
        for (lane, message) in self.world.deliver() {
            if let Err(wrong) = self.invariants.sent(lane, &message) {
                panic!("seed {}: {message:?} in the lane {lane:?}: {wrong}", self.seed);
            }
        }
        if let Some(wrong) = self.world.take_violation() {
            panic!("seed {}: {wrong}", self.seed);
        }
    }

    /// Steps until the condition holds; fails after so many steps.
    fn until(
        &mut self,
        rates: FaultRates,
        steps: usize,
        what: &str,
        done: impl Fn(&Invariants) -> Result<(), String>,
    ) {
        let mut last = String::new();
        for n in 0..steps {
            self.step(rates);
            if n % 200 == 0 {
                match done(&self.invariants) {
                    Ok(()) => return,
                    Err(why) => last = why,
                }
            }
        }
        panic!("seed {}: {what}: {last}", self.seed);
    }
}

fn run(seed: u64) -> BTreeMap<String, usize> {
    let mut random = Random::new(seed);
    let limits = Limits {
        max_in_flight_per_user: 1 + random.below(5) as u32,
        max_open_per_user: 12,
        upload_ttl_s: 1800,
        max_stored_bytes_per_user: 1_000 + random.below(20_000),
        retention_s: 24 * 3600,
        max_job_s: 2 * 3600,
        max_releases: 3 + random.below(8) as u32,
        ..Limits::default()
    };
    let faults = 1 + random.below(4) as u32;
    let store_faults = StoreFaults {
        conflict_although_written: 10,
        create_overwrites: true,
        interleave: true,
        error_before: faults,
        error_after: faults,
    };
    let roles = vec![
        Role::User(0),
        Role::User(0),
        Role::User(1),
        Role::User(2),
        Role::Closer(2),
        Role::Worker("a", Lane::Main),
        Role::Worker("b", Lane::Main),
        Role::Worker("c", Lane::Short),
        Role::Sweep,
        Role::Sweep,
    ];
    let mut executor = Executor::new(seed, roles, store_faults, limits);
    executor.world.queue.set_faults(faults);
    executor.world.set_object_faults(5 * faults);
    let faulty = FaultRates {
        crash_per_10_000: 20 + 10 * u64::from(faults),
        clock_jumps_per_1_000: 8,
        max_clock_jump_ms: 8_000,
    };
    for _ in 0..25_000 {
        executor.step(faulty);
    }

    // The faults stop. Users send no more requests, workers and sweeps continue.
    executor.world.stop_faults();
    executor.world.kv.set_faults(StoreFaults { error_before: 0, error_after: 0, ..store_faults });
    executor.world.queue.set_faults(0);
    executor.world.set_object_faults(0);
    let fault_free = FaultRates { crash_per_10_000: 0, clock_jumps_per_1_000: 0, max_clock_jump_ms: 1 };
    let world = Rc::clone(&executor.world);

    // The main lane is blocked, as if long jobs had all permits but those of the short lane. Short jobs must end.
    let short = executor.invariants.in_flight(Lane::Short);
    let while_blocked = [("short", short.len()), ("long", executor.invariants.in_flight(Lane::Main).len())];
    world.set_main_lane_blocked(true);
    executor.until(fault_free, 400_000, "short jobs wait for long ones", |seen| seen.all_ended(&short));
    world.set_main_lane_blocked(false);

    let accepted = world.accepted();
    executor.until(fault_free, 400_000, "work is left", |seen| {
        seen.all_done(&accepted)?;
        world.no_messages()
    });
    let created = executor.world.created();
    for user in [0, 1] {
        let listed = executor.world.listed(user);
        executor.invariants.check_listed(&listed, &created, executor.world.user(user)).unwrap();
    }

    let first = executor.world.user(0);
    executor.invariants.all_received(first, &executor.world.webhooks()).unwrap();

    let ended = StateName::VARIANTS.iter().map(|name| (name.to_string(), executor.invariants.ended(*name)));
    let while_blocked = while_blocked.into_iter().map(|(lane, jobs)| (lane.to_owned(), jobs));
    let ended = ended.chain(while_blocked).collect();

    // The retention ends.
    executor.world.clock.advance_ms(1000 * i64::from(executor.world.limits.retention_s));
    executor.until(fault_free, 400_000, "objects are left", Invariants::all_purged);
    // A day later, all values of deleted videos and of the closed account are removed, and all objects.
    let closed = world.user(2).to_string();
    for _ in 0..3 {
        world.clock.advance_ms(26 * 3_600_000);
        executor.until(fault_free, 400_000, "removals are left", |_| world.swept_up());
    }
    executor.until(fault_free, 400_000, "records are left", |seen| {
        seen.all_removed()?;
        world.no_messages()
    });
    executor.invariants.none_kept_of(world.user(2)).unwrap();
    let keys: Vec<String> = world.kv.keys().into_iter().filter(|key| key.contains(&closed)).collect();
    assert!(keys.is_empty(), "seed {seed}: {keys:?} are left");
    assert_eq!(world.objects_left(), Vec::<String>::new(), "seed {seed}: objects are left");
    ended
}

/// Calls `job` with each item, on all processors, and returns the results in any order. Panics if a call panics.
fn on_all_processors<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, threads) = (AtomicUsize::new(0), thread::available_parallelism().map_or(1, usize::from));
    let take = || Some(job(items.get(next.fetch_add(1, Ordering::Relaxed))?));
    thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| std::iter::from_fn(take).collect::<Vec<R>>())).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn nothing_is_lost_stuck_or_starved() {
    // `SIMULATION_SEEDS=100..200` runs others, `SIMULATION_KEY=video/…` prints a key's writes.
    let seeds = std::env::var("SIMULATION_SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    let seeds: Vec<u64> = seeds.unwrap_or(0..24).collect();
    let runs = seeds.len();
    for (state, count) in on_all_processors(&seeds, |seed| run(*seed)).into_iter().flatten() {
        *ended.entry(state).or_default() += count;
    }
    // A state that no run reaches would be a gap in the test.
    for state in ["completed", "failed", "canceled", "expired", "deleted", "short", "long"] {
        assert!(ended[state] * 2 >= runs, "{ended:?} in {runs} runs");
    }
}
