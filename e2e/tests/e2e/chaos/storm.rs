//! The faults of processes and of the cloud while customers use them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framelift_e2e::Stack;
use framelift_e2e::faulty_cloud::FaultyCloud;
use framelift_e2e::stack::Pids;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Shortest and longest pause between two faults.
const EVERY: std::ops::Range<u64> = 300..1800;
/// How long a process is stopped; sometimes longer than a lease.
const STOPPED: std::ops::Range<u64> = 200..9_000;

/// The running injection of faults.
pub(crate) struct Storm {
    over: Arc<Notify>,
    task: JoinHandle<(FaultyCloud, FaultCounts)>,
}

/// The faults so far.
#[derive(Default)]
pub(crate) struct FaultCounts {
    killed: u32,
    stopped: u32,
    edge_killed: u32,
    edge_stopped: u32,
    rounds: u32,
    injected: u64,
}

impl fmt::Display for FaultCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "workers killed {} and stopped {} times, the edge {} and {} times, {} requests failed in {} rounds of faults",
            self.killed, self.stopped, self.edge_killed, self.edge_stopped, self.injected, self.rounds
        )
    }
}

impl Storm {
    /// Starts injecting faults until [`Storm::end`], for at most this long.
    pub(crate) fn begin(stack: &Stack, cloud: FaultyCloud, seed: u64, at_most: Duration) -> Self {
        let over = Arc::new(Notify::new());
        let (pids, ends) = (stack.pids(), Arc::clone(&over));
        let task = tokio::spawn(async move {
            let mut storm = Injector {
                pids: Box::new(pids),
                cloud,
                random: fastrand::Rng::with_seed(seed),
                stopped: BTreeMap::new(),
                counts: FaultCounts::default(),
            };
            tokio::select! {
                () = storm.run() => {}
                () = ends.notified() => {}
                () = tokio::time::sleep(at_most) => {}
            }
            storm.clear_faults()
        });
        Self { over, task }
    }

    /// Ends it: stopped processes continue, the cloud has no faults. Returns the cloud and the counts.
    pub(crate) async fn end(self) -> (FaultyCloud, FaultCounts) {
        self.over.notify_one();
        self.task.await.unwrap()
    }
}

struct Injector {
    pids: Box<dyn Fn() -> Option<Pids> + Send>,
    cloud: FaultyCloud,
    random: fastrand::Rng,
    /// Stopped processes, and until when.
    stopped: BTreeMap<u32, Instant>,
    counts: FaultCounts,
}

impl Injector {
    async fn run(&mut self) {
        loop {
            let pause = self.random.u64(EVERY);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let due: Vec<u32> = {
                let now = Instant::now();
                self.stopped.iter().filter(|(_, until)| **until <= now).map(|(pid, _)| *pid).collect()
            };
            for pid in due {
                self.stopped.remove(&pid);
                send(pid, "CONT");
            }
            let Some(pids) = (self.pids)() else { continue };
            let workers: Vec<u32> = pids.workers.iter().copied().flatten().collect();
            match self.random.u8(0..16) {
                0..=2 => {
                    if let Some(pid) = self.pick(&workers) {
                        self.counts.killed += u32::from(send(pid, "KILL"));
                        self.stopped.remove(&pid);
                    }
                }
                3..=5 => {
                    if let Some(pid) = self.pick(&workers) {
                        self.counts.stopped += u32::from(self.stop(pid));
                    }
                }
                6 => {
                    if let Some(pid) = pids.edge {
                        self.counts.edge_killed += u32::from(send(pid, "KILL"));
                        self.stopped.remove(&pid);
                    }
                }
                7 => {
                    if let Some(pid) = pids.edge {
                        self.counts.edge_stopped += u32::from(self.stop(pid));
                    }
                }
                _ => {
                    self.cloud.inject_faults(&mut self.random).await;
                    self.counts.rounds += 1;
                }
            }
        }
    }

    fn pick(&mut self, pids: &[u32]) -> Option<u32> {
        if pids.is_empty() { None } else { Some(pids[self.random.usize(0..pids.len())]) }
    }

    fn stop(&mut self, pid: u32) -> bool {
        let until = Instant::now() + Duration::from_millis(self.random.u64(STOPPED));
        self.stopped.insert(pid, until);
        send(pid, "STOP")
    }

    fn clear_faults(mut self) -> (FaultyCloud, FaultCounts) {
        for pid in self.stopped.keys() {
            send(*pid, "CONT");
        }
        self.cloud.clear_faults();
        self.counts.injected = self.cloud.injected();
        (self.cloud, self.counts)
    }
}

/// Sends a signal to a process that may have ended by itself; whether it was there.
fn send(pid: u32, signal: &str) -> bool {
    let mut kill = std::process::Command::new("kill");
    kill.args([format!("-{signal}"), pid.to_string()]).stderr(std::process::Stdio::null());
    kill.status().unwrap().success()
}
