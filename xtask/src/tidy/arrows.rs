//! Which crate may depend on which: arrows point one way.

use crate::run::{Result, cargo, output};

/// The layers, from the bottom; a crate sees those below its own, and in the last layer its own.
const LAYERS: &[&[&str]] = &[
    &["framelift-domain"],
    &["framelift-contract"],
    &["framelift-edge", "framelift-media", "framelift-plugin-host"],
    &[
        "framelift-auth",
        "framelift-passwords",
        "framelift-uploads",
        "framelift-videos",
        "framelift-downloads",
        "framelift-control",
        "framelift-web",
        "framelift-worker",
        "framelift-cli",
    ],
    &[
        "framelift-dev-s3",
        "framelift-dev-sqs",
        "framelift-dev-mail",
        "framelift-edge-host",
        "framelift-stack",
        "framelift-e2e",
        "framelift-benches",
        "framelift-store-suite",
        "framelift-test-guest",
    ],
];

/// A package and what it must never see, however far down.
const NEVER: &[(&str, &[&str])] = &[
    ("framelift-domain", &["tokio", "aws-sdk-s3", "spin-sdk", "wasmtime", "ffmpeg-next", "getrandom"]),
    ("framelift-contract", &["tokio", "aws-sdk-s3", "spin-sdk", "wasmtime", "ffmpeg-next"]),
    ("framelift-edge", &["wasmtime", "ffmpeg-next", "aws-sdk-s3", "hyper"]),
    ("framelift-media", &["tokio", "wasmtime", "aws-sdk-s3", "hyper"]),
    ("framelift-worker", &["spin-sdk"]),
    ("framelift-cli", &["tokio", "wasmtime", "aws-sdk-s3", "spin-sdk"]),
    ("xtask", &["serde", "tokio"]),
];

/// Checks the workspace with `cargo tree`.
pub(crate) fn check() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let members =
        output(cargo(&["tree", "--workspace", "--depth", "0", "--prefix", "none", "--format", "{p}"]))?;
    for member in names(&members) {
        if member == "xtask" {
            continue;
        }
        let Some(layer) = layer_of(member) else {
            problems.push(format!("{member}: is in no layer; put it into xtask/src/tidy/arrows.rs"));
            continue;
        };
        let direct = tree(member, &["--depth", "1"])?;
        for dependency in names(&direct).filter(|name| *name != member) {
            let Some(below) = layer_of(dependency) else { continue };
            let allowed = below < layer || (below == layer && layer == LAYERS.len() - 1);
            if !allowed {
                problems.push(format!("{member}: must not depend on {dependency}"));
            }
        }
    }
    for (package, forbidden) in NEVER {
        let all = tree(package, &[])?;
        for name in names(&all).filter(|name| forbidden.contains(name)) {
            problems.push(format!("{package}: must not see {name}, not even through another crate"));
        }
    }
    problems.sort();
    problems.dedup();
    Ok(problems)
}

/// Dependencies for normal use, tests apart.
fn tree(package: &str, more: &[&str]) -> Result<String> {
    let base = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    output(cargo(&[base.as_slice(), more].concat()))
}

fn names(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty())
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}
