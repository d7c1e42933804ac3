//! Checks dependencies between crates: each crate is in a layer and may depend only on lower ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::build::GUESTS;
use crate::run::{Result, cargo, output};

/// The layers, from the bottom. A crate may depend on lower layers; in the last layer, also on its own.
const LAYERS: &[&[&str]] = &[
    &["framelift-domain"],
    &["framelift-contract"],
    &["framelift-edge", "framelift-listener", "framelift-media", "framelift-telemetry"],
    &["framelift-plugin-host"],
    &["framelift-sandbox"],
    &[
        "framelift-auth",
        "framelift-passwords",
        "framelift-uploads",
        "framelift-videos",
        "framelift-downloads",
        "framelift-events",
        "framelift-frames",
        "framelift-plugins",
        "framelift-control",
        "framelift-web",
        "framelift-worker",
        "framelift-cli",
    ],
    &[
        "framelift-dev-faults",
        "framelift-dev-fuzz",
        "framelift-dev-s3",
        "framelift-dev-sqs",
        "framelift-dev-mail",
        "framelift-edge-host",
        "framelift-stack",
        "framelift-gpu-kit",
        "framelift-simulate",
        "framelift-e2e",
        "framelift-benches",
        "framelift-store-suite",
        "framelift-test-guest",
    ],
];

/// Packages, and what each must not depend on, directly or indirectly.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("framelift-domain", &["tokio", "aws-sdk-s3", "spin-sdk", "wasmtime", "ffmpeg-next", "getrandom"]),
    ("framelift-contract", &["tokio", "aws-sdk-s3", "spin-sdk", "wasmtime", "ffmpeg-next"]),
    ("framelift-edge", &["wasmtime", "ffmpeg-next", "aws-sdk-s3", "hyper"]),
    ("framelift-media", &["tokio", "wasmtime", "aws-sdk-s3", "hyper"]),
    ("framelift-plugin-host", &["tokio", "aws-sdk-s3", "spin-sdk", "hyper"]),
    ("framelift-sandbox", &["tokio", "aws-sdk-s3", "hyper"]),
    ("framelift-worker", &["spin-sdk"]),
    ("framelift-cli", &["tokio", "aws-sdk-s3", "spin-sdk"]),
    ("xtask", &["serde", "tokio"]),
];

/// The feature with code that only tests need.
const TESTING: &str = "testing";

/// The shipped programs besides the edge components.
const SHIPPED_PROGRAMS: &[&str] = &["framelift-worker", "framelift-cli"];

/// Checks the workspace's dependencies, without those of tests.
pub(crate) fn check() -> Result<Vec<String>> {
    let graph = Graph::read(&["--workspace"])?;
    let mut problems = Vec::new();
    for member in graph.0.keys().filter(|name| name.starts_with("framelift-")) {
        let Some(layer) = layer_of(member) else {
            problems.push(format!("{member}: is in no layer; put it into xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in &graph.0[member] {
            let Some(below) = layer_of(dependency) else { continue };
            let allowed = below < layer || (below == layer && layer == LAYERS.len() - 1);
            if !allowed {
                problems.push(format!("{member}: must not depend on {dependency}"));
            }
        }
    }
    for (package, forbidden) in FORBIDDEN {
        if graph.dependencies_of(package).is_disjoint(&forbidden.iter().copied().collect()) {
            continue;
        }
        // Another crate's features may bring one in, so the package is checked alone.
        let alone = Graph::read(&["--package", package])?;
        let seen = alone.dependencies_of(package);
        for name in forbidden.iter().filter(|name| seen.contains(*name)) {
            problems.push(format!("{package}: must not see {name}, not even through another crate"));
        }
    }
    problems.extend(with_testing(&shipped_features()?));
    Ok(problems)
}

/// Every package in the shipped programs, one a line, with its features: `NAME VERSION … |FEATURE,FEATURE`.
fn shipped_features() -> Result<String> {
    let mut tree = cargo(&["tree", "--edges", "normal", "--prefix", "none", "--format", "{p} |{f}"]);
    for package in GUESTS.iter().chain(SHIPPED_PROGRAMS) {
        tree.args(["--package", package]);
    }
    output(tree)
}

/// Problems for our crates that are shipped with the feature for tests.
fn with_testing(features: &str) -> Vec<String> {
    let has_it = |line: &str| {
        let (package, features) = line.split_once('|')?;
        let name = package.split(' ').next().filter(|name| layer_of(name).is_some())?;
        features.split([',', ' ']).any(|feature| feature == TESTING).then(|| name.to_owned())
    };
    let names: BTreeSet<String> = features.lines().filter_map(has_it).collect();
    names.into_iter().map(|name| format!("{name}: is shipped with the feature `{TESTING}`")).collect()
}

/// Packages by name, and those that each depends on.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn read(of: &[&str]) -> Result<Self> {
        let base = ["tree", "--edges", "normal", "--prefix", "depth", "--format", " {p}"];
        Ok(Self::parse(&output(cargo(&[base.as_slice(), of].concat()))?))
    }

    /// Lines of `DEPTH NAME VERSION …`.
    fn parse(tree: &str) -> Self {
        let (mut graph, mut above) = (BTreeMap::<String, BTreeSet<String>>::new(), Vec::<&str>::new());
        for line in tree.lines() {
            let mut words = line.split(' ');
            let (Some(depth), Some(name)) = (words.next().and_then(|depth| depth.parse().ok()), words.next())
            else {
                continue;
            };
            above.truncate(depth);
            if let Some(parent) = above.last() {
                graph.entry((*parent).to_owned()).or_default().insert(name.to_owned());
            }
            graph.entry(name.to_owned()).or_default();
            above.push(name);
        }
        Self(graph)
    }

    /// All that the package depends on, however far down.
    fn dependencies_of(&self, package: &str) -> BTreeSet<&str> {
        let (mut seen, mut to_visit) = (BTreeSet::new(), vec![package]);
        while let Some(next) = to_visit.pop() {
            for name in self.0.get(next).into_iter().flatten() {
                if seen.insert(name.as_str()) {
                    to_visit.push(name);
                }
            }
        }
        seen
    }
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_followed_down() {
        let graph = Graph::parse("0 a v1\n1 b v1 (/x)\n2 c v1\n1 d v2 (*)\n\n0 d v2\n1 e v1 (proc-macro)\n");
        assert_eq!(graph.dependencies_of("a"), BTreeSet::from(["b", "c", "d", "e"]));
        assert_eq!(graph.dependencies_of("b"), BTreeSet::from(["c"]));
    }

    #[test]
    fn what_is_shipped_has_nothing_of_tests() {
        let tree = |features: &str| format!("framelift-edge v0.1.0 (/x) |{features}\nrand v1 |testing (*)\n");
        assert_eq!(with_testing(&tree("")), Vec::<String>::new());
        assert_eq!(with_testing(&tree("a,testing (*)")).len(), 1);
        assert_eq!(with_testing(&shipped_features().unwrap()), Vec::<String>::new());
    }
}
