//! Files made to do harm: each ends with a reason and within its bounds, and other jobs go on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use framelift_e2e::hostile::{ALL, Hostile, endless_video};
use framelift_e2e::process::{peak_memory, peak_memory_with_children, program};
use framelift_e2e::{Setup, Stack, WAIT_TIMEOUT, clip};
use reqwest::Method;
use serde_json::{Value, json};

/// What one extraction may have in memory.
const MEMORY: u64 = 600_000_000;
/// What a worker may have, which decodes in other processes: buffers, parts, what it takes itself.
const WORKER: u64 = 200_000_000;

/// Extracts from a hostile file by the command line; what is wrong with how that ends, if anything.
fn extract(hostile: &Hostile, folder: &Path) -> Result<(), String> {
    let bytes = hostile.bytes();
    let path = folder.join(hostile.name);
    std::fs::write(&path, &bytes).unwrap();
    let archive = folder.join("frames.zip");
    let mut child = Command::new(program("framelift"))
        .args(["extract", "--json", "--force", "-o"])
        .args([&archive, &path])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (began, mut peak) = (Instant::now(), 0);
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_memory_with_children(child.id()).unwrap_or(0));
        if began.elapsed() > WAIT_TIMEOUT {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("does not end; {peak} bytes of memory"));
        }
        // Between two looks a process cannot touch much memory.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let end = match output.status.code() {
        Some(0) => "completed",
        Some(1) => said["error"]["code"].as_str().unwrap_or("no code"),
        _ => "a crash",
    };
    let mut wrong = Vec::new();
    if !hostile.ends.contains(&end) {
        wrong.push(format!("ends as {end} ({}): {}", output.status, said["error"]["messages"]));
    }
    if peak > MEMORY {
        wrong.push(format!("takes {peak} bytes of memory"));
    }
    let left = std::fs::metadata(&archive).map_or(0, |found| found.len());
    if (left > 0) != (end == "completed") {
        wrong.push(format!("leaves an archive of {left} bytes"));
    }
    // None of them has more than a hundred pictures, whatever it claims.
    if left > 50_000_000 {
        wrong.push(format!("gives {left} bytes for {}", bytes.len()));
    }
    let _ = std::fs::remove_file(archive);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join(", ")) }
}

#[test]
fn each_ends_on_the_command_line_within_its_memory_and_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: BTreeMap<&str, String> = ALL
        .iter()
        .filter_map(|hostile| Some((hostile.name, extract(hostile, folder.path()).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn others_go_on_beside_them_and_no_worker_is_lost() {
    // As many scans as make a call that does not return.
    let env = vec![("FRAMELIFT_LIMITS_MAX_SCANS", "10000".to_owned())];
    let stack = Stack::start(Setup { workers: 2, concurrency: 1, env, ..Setup::default() }).await;
    let (mallory, ada) = (stack.user("mallory").await, stack.user("ada").await);
    let workers = stack.info().pids.workers;
    let mut ids = BTreeMap::new();
    // The one that hangs first, so that it is in the way of the others.
    let endless = mallory.upload("endless.mov", &endless_video(), json!({})).await;
    for hostile in ALL {
        ids.insert(mallory.upload(hostile.name, &hostile.bytes(), json!({})).await, hostile);
    }
    let cars = clip::sample("cars-30s.mp4");
    let good = ada.upload("cars.mp4", &cars, json!({"select": {"count": 3}})).await;
    let good = ada.finished(&good).await;
    assert_eq!(good["status"], "completed", "{good}");
    let unfinished = |page: &Value| {
        page["items"].as_array().unwrap().iter().filter(|item| item["completed_at"].is_null()).count()
    };
    let page = mallory.expect(Method::GET, "/videos?limit=100", None, 200).await;
    assert!(unfinished(&page) > 0, "the good one was not done beside the others: {page}");

    // All of them have an end with a reason, and no worker a memory without bounds.
    let (mut peak, mut before, mut since) = (0, usize::MAX, Instant::now());
    loop {
        for pid in stack.info().pids.workers.into_iter().flatten() {
            peak = peak.max(peak_memory(pid).unwrap_or(0));
        }
        let page = mallory.expect(Method::GET, "/videos?limit=100", None, 200).await;
        match unfinished(&page) {
            0 => break,
            // As long as one after the other ends, patience begins anew.
            left if left < before => (before, since) = (left, Instant::now()),
            _ => assert!(since.elapsed() < WAIT_TIMEOUT, "waited in vain for the end of {page}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let hung = mallory.video(&endless).await;
    assert_eq!(hung["failure"]["code"], "timed-out", "{hung}");
    let mut wrong = BTreeMap::new();
    for (id, hostile) in &ids {
        let video = mallory.video(id).await;
        let end = match video["status"].as_str().unwrap() {
            "completed" => "completed",
            _ => video["failure"]["code"].as_str().unwrap_or("no code"),
        };
        if !hostile.ends.contains(&end) {
            wrong.insert(hostile.name, video["failure"].to_string());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(peak < WORKER, "a worker took {peak} bytes");
    assert_eq!(stack.info().pids.workers, workers, "a worker was lost");
    let again = ada.upload("again.mp4", &cars, json!({"select": {"count": 3}})).await;
    assert_eq!(ada.finished(&again).await["status"], "completed");
    stack.finish().await;
}
