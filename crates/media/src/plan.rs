//! Which way to the wanted frames is taken, and why.

use framelift_contract::manifest::{Plan, Strategy};
use framelift_domain::{Options, Place, Select};

use crate::ffi::StreamInfo;

/// The cheapest way that is still exact.
pub(crate) fn choose(options: &Options, info: &StreamInfo, decoder: &str) -> Plan {
    let numbered = [options.range.start, options.range.end]
        .iter()
        .any(|place| matches!(place, Place::Frame(n) if *n > 0));
    let (strategy, reason) = match options.select {
        Select::Keyframes if numbered => {
            (Strategy::Sequential, "the range is given by frame numbers, so every frame is counted")
        }
        Select::Keyframes if !info.whole_pictures => {
            (Strategy::Sequential, "in this container a sync point need not be one packet with its own time")
        }
        Select::Keyframes => (Strategy::Keyframes, "only sync points are wanted, and each decodes alone"),
        Select::All => (Strategy::Sequential, "every frame is wanted"),
        _ => (Strategy::Sequential, "decoding from the start reaches every wanted frame"),
    };
    Plan { strategy, reason: reason.to_owned(), decoder: decoder.to_owned() }
}

/// What became of a plan for sync points when one of them gave no sure picture alone.
pub(crate) fn not_alone(plan: Plan) -> Plan {
    let reason = "not every sync point decodes alone, so every frame was decoded".to_owned();
    Plan { strategy: Strategy::Sequential, reason, ..plan }
}
