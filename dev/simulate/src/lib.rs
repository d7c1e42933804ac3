//! A day of the service by discrete events: who waits how long, what it takes, and which limit comes first.
//!
//! Times are whole milliseconds and nothing but the seed is random, so that a day is the same on every machine.

mod day;
mod fleet;
mod report;
mod scenario;
mod workload;

pub use report::tables;

/// The day of `docs/scaling.md`.
pub const SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use crate::day::simulate;
    use crate::scenario::Scenario;

    use super::*;

    #[test]
    fn the_page_has_the_tables_that_the_command_prints() {
        let page = include_str!("../../../docs/scaling.md");
        let (_, rest) = page.split_once("<!-- simulated -->\n").unwrap();
        let (tables_there, _) = rest.split_once("<!-- end -->").unwrap();
        assert!(tables_there == tables(SEED), "stale: put in what `cargo xtask simulate` prints");
    }

    /// A small day, in which every video's end can be counted.
    fn small() -> Scenario {
        Scenario { videos_per_day: 20_000, tenants: 2_000, ..Scenario::ordinary() }
    }

    #[test]
    fn every_video_that_is_taken_is_done_and_nobody_has_more_than_five_in_flight() {
        for scenario in [small(), small().with_peak(), small().with_loss(), small().with_noise(true)] {
            let day = simulate(&scenario, 7);
            assert_eq!(day.accepted, day.done, "{}", scenario.name);
            assert!(day.max_in_flight_of_one <= 5, "{}", scenario.name);
            assert!(day.max_running <= scenario.fleet.max_permits(), "{}", scenario.name);
        }
    }

    #[test]
    fn a_lost_half_of_the_fleet_loses_no_video() {
        let day = simulate(&Scenario { videos_per_day: 200_000, ..small() }.with_loss(), 7);
        assert!(day.released > 0);
        assert_eq!(day.accepted, day.done);
    }

    #[test]
    fn without_the_rule_one_tenant_holds_all_others_up() {
        let [with, without] = [true, false].map(|rule| simulate(&small().with_noise(rule), 7));
        assert!(without.others.percentile(99) > 10 * with.others.percentile(99).max(1_000));
    }
}
