//! The tables: Markdown, as they stand in `docs/scaling.md`.

use std::fmt::Write as _;

use crate::day::{Day, HEAVY, MAX_OPEN, WaitTimes, simulate};
use crate::fleet::PODS_PER_NODE;
use crate::scenario::Scenario;
use crate::workload::{FIXED_MS, LENGTHS, SELECTIONS};

/// Dollars an hour of an `m7i.4xlarge` in us-east-1: the list price, and what spot instances are assumed to cost.
const NODE_LIST: f64 = 0.8064;
const NODE_SPOT: f64 = 0.34;
/// Dollars for each million videos, from `docs/operations.md`.
const DYNAMODB: f64 = 45.0;
const SQS: f64 = 4.0;
const S3_REQUESTS: f64 = 20.0;
/// The costs that do not depend on the load: cluster, three nodes of the edge, three NAT gateways, a load balancer.
const FIXED_DOLLARS_PER_DAY: f64 = (73.0 + 440.0 + 100.0 + 20.0) / 30.0;

/// Transactional writes of a video, and the units that one of up to 1 KiB takes.
const WRITES: u64 = 30;
const UNITS: u64 = 2;
/// Reads of ranges and writes of a video at S3.
const S3_READS: u64 = 20;
const S3_WRITES: u64 = 2;
/// Shards of the list of users with unfinished videos, and KiB of a full page of it (400 users).
const SHARDS: u64 = 64;
const PAGE_KIB: u64 = 18;
/// Bytes of a waiting video in its owner's slots, and what changes there for each video.
const SLOT_BYTES: u64 = 40;
const SLOT_WRITES: u64 = 8;

/// All tables of a day of that seed.
pub fn tables(seed: u64) -> String {
    let ordinary = Scenario::ordinary();
    let scenarios = [
        ordinary.clone(),
        ordinary.clone().with_peak(),
        ordinary.clone().with_loss(),
        ordinary.clone().with_noise(true),
        ordinary.clone().with_noise(false),
    ];
    let days: Vec<(Scenario, Day)> =
        scenarios.into_iter().map(|scenario| (scenario.clone(), simulate(&scenario, seed))).collect();
    let mut text = String::new();
    workload(&mut text);
    waits(&mut text, &days);
    fleets(&mut text, &ordinary, &days, seed);
    cost(&mut text, &days);
    limits(&mut text, &days);
    text
}

fn row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn table(text: &mut String, title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let _ = writeln!(text, "### {title}\n");
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    row(text, &head);
    row(text, &head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    rows.into_iter().for_each(|cells| row(text, &cells));
    text.push('\n');
}

/// A number with commas.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time, short.
fn time(ms: u64) -> String {
    match ms {
        0..1_000 => "0 s".to_owned(),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{:.1} h", ms as f64 / 3_600_000.0),
    }
}

fn dollars(amount: f64) -> String {
    format!("{} $", number(amount.round() as u64))
}

fn workload(text: &mut String) {
    let lengths = LENGTHS.map(|(seconds, share)| format!("{share} % of {}", time(seconds * 1_000)));
    let rows = SELECTIONS.iter().map(|(name, share, ms)| {
        vec![(*name).to_owned(), format!("{share} %"), format!("{:.2} s", *ms as f64 / 1_000.0)]
    });
    let head = ["images", "of all videos", "work of two processors for each minute of video"];
    table(text, "Workload", &head, rows);
    let _ = writeln!(
        text,
        "Lengths: {}. Each job takes {} more for its calls and for the network.\n",
        lengths.join(", "),
        time(FIXED_MS)
    );
}

fn spread(waits: &WaitTimes) -> String {
    let [median, most, worst] = [50, 99, 100].map(|percent| time(waits.percentile(percent)));
    format!("{median} / {most} / {worst}")
}

fn waits(text: &mut String, days: &[(Scenario, Day)]) {
    let rows = days.iter().map(|(scenario, day)| {
        let noisy = if scenario.noise { spread(&day.noisy) } else { "–".to_owned() };
        vec![
            scenario.name.to_owned(),
            number(day.done),
            number(day.refused),
            number(day.released),
            spread(&day.others),
            spread(&day.heavy),
            noisy,
        ]
    });
    let heavy = format!("the {HEAVY} who upload most");
    let head = ["day", "done", "refused", "restarted", "most tenants", heavy.as_str(), "the noisy one"];
    table(text, "Waiting times: median / 99th percentile / maximum", &head, rows);
    let _ = writeln!(
        text,
        "Waits count from the upload that was handed over to the first claim, the time behind the rule of five \
         included. *Refused* are uploads of tenants who have {MAX_OPEN} unfinished videos already.\n"
    );
}

fn fleets(text: &mut String, ordinary: &Scenario, days: &[(Scenario, Day)], seed: u64) {
    let nodes = |day: &Day| day.max_pods.div_ceil(PODS_PER_NODE);
    let rows = days.iter().filter(|(scenario, _)| scenario.in_flight.is_some()).map(|(scenario, day)| {
        vec![
            scenario.name.to_owned(),
            number(day.max_running),
            number(day.max_pods),
            number(nodes(day)),
            number(day.max_waiting),
            time(day.backlog_ms),
        ]
    });
    let head = ["day", "jobs at once", "pods", "nodes", "waiting messages", "backlog lasts"];
    table(text, "Peak use", &head, rows);

    let rows = [375, 750, 1_500, 3_000].map(|pods| {
        let day = simulate(&ordinary.clone().with_peak().with_max_pods(pods), seed);
        vec![
            number(pods),
            number(nodes(&day)),
            time(day.others.percentile(50)),
            time(day.others.percentile(99)),
            time(day.backlog_ms),
        ]
    });
    let head = ["`maxReplicaCount`", "nodes", "median wait", "99th percentile", "backlog lasts"];
    table(text, "The peak, by the allowed fleet", &head, rows);
}

fn cost(text: &mut String, days: &[(Scenario, Day)]) {
    let rows = days.iter().filter(|(scenario, _)| scenario.in_flight.is_some()).map(|(scenario, day)| {
        let node_hours = day.pod_ms as f64 / 3_600_000.0 / PODS_PER_NODE as f64;
        let millions = day.done as f64 / 1e6;
        let calls = millions * (DYNAMODB + SQS + S3_REQUESTS);
        let spot = node_hours * NODE_SPOT;
        vec![
            scenario.name.to_owned(),
            number(node_hours.round() as u64),
            dollars(spot),
            dollars(node_hours * NODE_LIST),
            dollars(calls),
            dollars(FIXED_DOLLARS_PER_DAY),
            format!("{:.2} $", (spot + calls + FIXED_DOLLARS_PER_DAY) / day.done as f64 * 1_000.0),
        ]
    });
    let head = [
        "day",
        "hours of nodes",
        "as spot",
        "by list",
        "DynamoDB, SQS, S3's requests",
        "fixed",
        "1,000 videos, with spot",
    ];
    table(text, "Cost of a day, without storage and traffic", &head, rows);
}

fn limits(text: &mut String, days: &[(Scenario, Day)]) {
    let of = |figure: fn(&Day) -> u64, peak: bool| {
        days.iter()
            .filter(|(scenario, _)| scenario.peak == peak)
            .map(|(_, day)| figure(day))
            .max()
            .unwrap_or(0)
    };
    let line = |what: &str, limit: u64, figure: fn(&Day) -> u64, why: &str| {
        let [calm, peak] = [false, true].map(|peak| of(figure, peak));
        let part = |n: u64| format!("{} ({} %)", number(n), n * 100 / limit);
        vec![what.to_owned(), number(limit), part(calm), part(peak), why.to_owned()]
    };
    let rows = [
        line(
            "SQS: messages in flight",
            120_000,
            |day| day.max_running,
            "a message for each running job; what waits is not in flight, and what waits behind the rule of five is \
             no message yet",
        ),
        line(
            "DynamoDB, one key: units of writes a second, the fullest page of `work/`",
            1_000,
            |day| day.max_turns_per_s * PAGE_KIB * UNITS / SHARDS,
            "64 shards by a hash of the user, 400 users a page; written only when a user's work begins or ends",
        ),
        line(
            "DynamoDB, one key: the same, `slots/` of a tenant with all that is allowed",
            1_000,
            |_| 5 * SLOT_WRITES * (MAX_OPEN as u64 * SLOT_BYTES).div_ceil(1_024) * UNITS / (FIXED_MS / 1_000),
            "at most five in flight, here of a second each; no key is shared by tenants",
        ),
        line(
            "DynamoDB, a table: units of writes a second (the quota of an account, which can be raised)",
            40_000,
            |day| (day.max_accepted_per_s + day.max_done_per_s) * WRITES * UNITS / 2,
            "a new table on demand starts with 4,000 and doubles within half an hour: set its *warm throughput* \
             before a launch",
        ),
        line(
            "S3, one prefix: GET a second",
            5_500,
            |day| day.max_done_per_s * S3_READS,
            "keys begin with the user's id, so that S3 can split them further",
        ),
        line(
            "S3, one prefix: PUT a second",
            3_500,
            |day| day.max_accepted_per_s.max(day.max_done_per_s * S3_WRITES),
            "the same",
        ),
    ];
    let head = ["limit", "value", "ordinary days, at most", "in the peak", "reason"];
    table(text, "Limits", &head, rows);
}
