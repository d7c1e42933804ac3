//! The edge's memory while files pass through it: as much as there are uploads at once, however large they are.
//!
//! `FRAMELIFT_FLAT_MEMORY=full` sends 100 files of 50 MiB at once, and needs 10 GB of disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framelift_e2e::process::peak_memory;
use framelift_e2e::{Setup, Stack, User, clip};
use futures::stream;
use reqwest::Method;
use serde_json::Value;

const MIB: usize = 1 << 20;
/// Files of the first round: more than two parts of 8 MiB, so that each upload has all in memory that it will ever have.
const FIRST: usize = 17 * MIB;
/// How long the last piece of a file is kept back until all others have come as far.
const TOGETHER: Duration = Duration::from_secs(120);

/// Uploads at once, and bytes of the files of the second round.
fn size() -> (usize, usize) {
    match std::env::var("FRAMELIFT_FLAT_MEMORY") {
        Ok(size) if size == "full" => (100, 50 * MIB),
        _ => (16, 50 * MIB),
    }
}

/// Uploads one file in a request, whose last piece waits until `all` uploads have come to theirs.
async fn upload(user: &User, file: Bytes, arrived: &Arc<AtomicUsize>, all: usize) -> String {
    let (start, end) = (file.slice(..file.len() - MIB), file.slice(file.len() - MIB..));
    let arrived = Arc::clone(arrived);
    let wait_then_end = async move {
        arrived.fetch_add(1, Relaxed);
        let began = Instant::now();
        while arrived.load(Relaxed) < all && began.elapsed() < TOGETHER {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, std::io::Error>(end)
    };
    let length = file.len();
    let pieces = (0..start.len()).step_by(MIB).map(move |at| Ok(start.slice(at..start.len().min(at + MIB))));
    let body = futures::StreamExt::chain(stream::iter(pieces), stream::once(Box::pin(wait_then_end)));
    let url = format!("{}/videos/upload?file_name=large.mp4", user.api());
    let request = reqwest::Client::new().post(url).bearer_auth(&user.token).header("content-length", length);
    let answer = request.body(reqwest::Body::wrap_stream(body)).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status.as_u16(), 202, "{text}");
    let accepted: Value = serde_json::from_str(&text).unwrap();
    accepted["id"].as_str().unwrap().to_owned()
}

/// Uploads as many files at once, and deletes them.
async fn round(user: &User, all: usize, bytes: usize) {
    let (file, arrived) = (Bytes::from(clip::padded(bytes)), Arc::default());
    let uploads = (0..all).map(|_| upload(user, file.clone(), &arrived, all));
    for id in futures::future::join_all(uploads).await {
        user.expect(Method::DELETE, &format!("/videos/{id}"), None, 204).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_edges_memory_does_not_grow_with_what_passes_through_it() {
    let (all, large) = size();
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let edge = stack.info().pids.edge.unwrap();
    let cold = peak_memory(edge).unwrap();
    round(&ada, all, FIRST).await;
    let warm = peak_memory(edge).unwrap();
    round(&ada, all, large).await;
    let grown = peak_memory(edge).unwrap() - warm;
    say(&format!(
        "{all} uploads at once: {} MiB, {} MiB, and {} MiB more",
        cold >> 20,
        warm >> 20,
        grown >> 20
    ));
    // With each byte in memory it would grow by the files' difference.
    let difference = all * (large - FIRST);
    assert!(grown < difference as u64 / 4, "{grown} bytes more for files that are {difference} bytes larger");
    // Presigned uploads pass by.
    let before = peak_memory(edge).unwrap();
    let file = clip::padded(large);
    let ids =
        futures::future::join_all(
            (0..8).map(|n| {
                let (ada, file) = (&ada, &file);
                async move {
                    ada.upload(&format!("{n}.mp4"), file, serde_json::json!({"select": {"count": 1}})).await
                }
            }),
        );
    for id in ids.await {
        ada.expect(Method::DELETE, &format!("/videos/{id}"), None, 204).await;
    }
    let grown = peak_memory(edge).unwrap() - before;
    assert!(grown < 32 * MIB as u64, "{grown} bytes for files that the edge does not see");
    assert_eq!(stack.info().pids.edge, Some(edge), "the edge was started again");
    stack.finish().await;
}

#[expect(clippy::print_stderr, reason = "a run says what it measured")]
fn say(text: &str) {
    eprintln!("{text}");
}
