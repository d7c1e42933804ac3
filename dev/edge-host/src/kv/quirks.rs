//! Imitates, on demand, quirks of Spin and its key-value back ends that this host does not have. An
//! application that works with them works on SQLite under Spin, on DynamoDB, and with lost answers.

use std::collections::HashMap;
use std::str::FromStr;

/// How often a quirk occurs.
const PERCENT: u64 = 20;

/// Which quirks are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A swap reports a conflict although its write landed, some of the time.
    pub conflict_although_written: bool,
    /// A swap on a missing key overwrites a value that another writer created meanwhile.
    pub create_overwrites: bool,
    /// A batch read leaves missing keys out in place of an empty value.
    pub missing_rows_left_out: bool,
    /// A plain read gives the previous value once after a write, some of the time. `all` leaves
    /// it out, because consistent reads are part of what an application may configure.
    pub stale_reads: bool,
    /// Connections go without `TCP_NODELAY`, as Spin's do: a second small segment of an answer waits until
    /// the client has acknowledged the first one, which it delays by 40 ms.
    pub small_segments_wait: bool,
}

impl Settings {
    /// Whether any is on.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl FromStr for Settings {
    type Err = String;

    /// Parses `all` or a list such as `create-overwrites,stale-reads`; nothing is no quirk.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "all" => {
                    settings.conflict_although_written = true;
                    settings.create_overwrites = true;
                    settings.missing_rows_left_out = true;
                    settings.small_segments_wait = true;
                }
                "conflict-although-written" => settings.conflict_although_written = true,
                "create-overwrites" => settings.create_overwrites = true,
                "missing-rows-left-out" => settings.missing_rows_left_out = true,
                "stale-reads" => settings.stale_reads = true,
                "small-segments-wait" => settings.small_segments_wait = true,
                _ => {
                    return Err(format!(
                        "`{name}` is no quirk; there are conflict-although-written, \
                         create-overwrites, missing-rows-left-out, small-segments-wait, stale-reads, and \
                         all (which leaves stale-reads out)"
                    ));
                }
            }
        }
        Ok(settings)
    }
}

/// The quirks of a run. Their randomness comes from a seed, so that the run can be repeated.
pub(crate) struct Quirks {
    settings: Settings,
    state: u64,
    previous: HashMap<(String, String), Option<Vec<u8>>>,
}

impl Quirks {
    /// The quirks of a run.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self { settings, state: seed, previous: HashMap::new() }
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn chance(&mut self) -> bool {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 100 < PERCENT
    }

    pub(super) fn reports_false_conflict(&mut self) -> bool {
        self.settings.conflict_although_written && self.chance()
    }

    pub(super) fn create_overwrites(&self) -> bool {
        self.settings.create_overwrites
    }

    pub(super) fn leaves_missing_rows_out(&self) -> bool {
        self.settings.missing_rows_left_out
    }

    pub(super) fn reads_may_be_stale(&self) -> bool {
        self.settings.stale_reads
    }

    /// Keeps the value that a write is about to replace.
    pub(super) fn remember(&mut self, store: &str, key: &str, value: Option<Vec<u8>>) {
        self.previous.insert((store.to_owned(), key.to_owned()), value);
    }

    /// The previous value in place of the one that is there. The first read after a write ends
    /// its staleness, whether it saw the previous value or not.
    pub(super) fn stale(&mut self, store: &str, key: &str) -> Option<Option<Vec<u8>>> {
        if !self.settings.stale_reads {
            return None;
        }
        let previous = self.previous.remove(&(store.to_owned(), key.to_owned()))?;
        self.chance().then_some(previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed() {
        assert!(!"".parse::<Settings>().unwrap().any());
        let all: Settings = "all".parse().unwrap();
        assert!(all.conflict_although_written && all.create_overwrites);
        assert!(all.missing_rows_left_out && all.small_segments_wait && !all.stale_reads);
        let two: Settings = "stale-reads, create-overwrites".parse().unwrap();
        assert!(two.stale_reads && two.create_overwrites && !two.missing_rows_left_out);
        assert!("everything".parse::<Settings>().unwrap_err().contains("everything"));
    }

    #[test]
    fn a_seed_gives_the_same_run() {
        let run = |seed| {
            let mut quirks = Quirks::new("all".parse().unwrap(), seed);
            (0..64).map(|_| quirks.reports_false_conflict()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
