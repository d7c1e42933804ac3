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
/// How long a process is stopped; beyond a lease now and then.
const STOPPED: std::ops::Range<u64> = 200..9_000;

/// A running storm.
pub(crate) struct Storm {
    over: Arc<Notify>,
    task: JoinHandle<(FaultyCloud, Toll)>,
}

/// The faults so far.
#[derive(Default)]
pub(crate) struct Toll {
    killed: u32,
    stopped: u32,
    edge_killed: u32,
    edge_stopped: u32,
    weathers: u32,
    injected: u64,
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "workers killed {} and stopped {} times, the edge {} and {} times, {} requests spoilt in {} weathers",
            self.killed, self.stopped, self.edge_killed, self.edge_stopped, self.injected, self.weathers
        )
    }
}

impl Storm {
    /// Begins one that goes on until [`Storm::end`], or so long.
    pub(crate) fn begin(stack: &Stack, cloud: FaultyCloud, seed: u64, at_most: Duration) -> Self {
        let over = Arc::new(Notify::new());
        let (pids, ends) = (stack.pids(), Arc::clone(&over));
        let task = tokio::spawn(async move {
            let mut storm = Raging {
                pids: Box::new(pids),
                cloud,
                random: fastrand::Rng::with_seed(seed),
                stopped: BTreeMap::new(),
                toll: Toll::default(),
            };
            tokio::select! {
                () = storm.rage() => {}
                () = ends.notified() => {}
                () = tokio::time::sleep(at_most) => {}
            }
            storm.calm()
        });
        Self { over, task }
    }

    /// Ends it: processes go on, the cloud works. Returns the cloud and what was done.
    pub(crate) async fn end(self) -> (FaultyCloud, Toll) {
        self.over.notify_one();
        self.task.await.unwrap()
    }
}

struct Raging {
    pids: Box<dyn Fn() -> Option<Pids> + Send>,
    cloud: FaultyCloud,
    random: fastrand::Rng,
    /// Processes that stand still, and until when.
    stopped: BTreeMap<u32, Instant>,
    toll: Toll,
}

impl Raging {
    async fn rage(&mut self) {
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
                        self.toll.killed += u32::from(send(pid, "KILL"));
                        self.stopped.remove(&pid);
                    }
                }
                3..=5 => {
                    if let Some(pid) = self.pick(&workers) {
                        self.toll.stopped += u32::from(self.stop(pid));
                    }
                }
                6 => {
                    if let Some(pid) = pids.edge {
                        self.toll.edge_killed += u32::from(send(pid, "KILL"));
                        self.stopped.remove(&pid);
                    }
                }
                7 => {
                    if let Some(pid) = pids.edge {
                        self.toll.edge_stopped += u32::from(self.stop(pid));
                    }
                }
                _ => {
                    self.cloud.bad_weather(&mut self.random).await;
                    self.toll.weathers += 1;
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

    fn calm(mut self) -> (FaultyCloud, Toll) {
        for pid in self.stopped.keys() {
            send(*pid, "CONT");
        }
        self.cloud.calm();
        self.toll.injected = self.cloud.injected();
        (self.cloud, self.toll)
    }
}

/// Sends a signal to a process that may have ended by itself; whether it was there.
fn send(pid: u32, signal: &str) -> bool {
    let mut kill = std::process::Command::new("kill");
    kill.args([format!("-{signal}"), pid.to_string()]).stderr(std::process::Stdio::null());
    kill.status().unwrap().success()
}
