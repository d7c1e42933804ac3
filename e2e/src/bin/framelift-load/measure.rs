//! How long calls take.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The times of every call, by its name.
#[derive(Default)]
pub(crate) struct Calls(Mutex<BTreeMap<&'static str, Vec<Duration>>>);

impl Calls {
    /// Waits for a call and notes how long it took.
    pub(crate) async fn time<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = call.await;
        self.0.lock().unwrap().entry(name).or_default().push(began.elapsed());
        answer
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>9} {:>9} {:>9} {:>9}", "call", "times", "p50 ms", "p99 ms", "max ms")?;
        for (name, times) in self.0.lock().unwrap().iter_mut() {
            times.sort_unstable();
            let at = |permille: usize| times[(times.len() - 1) * permille / 1000].as_secs_f64() * 1000.0;
            writeln!(f, "{name:<24} {:>9} {:>9.1} {:>9.1} {:>9.1}", times.len(), at(500), at(990), at(1000))?;
        }
        Ok(())
    }
}
