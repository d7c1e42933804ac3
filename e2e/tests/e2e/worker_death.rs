//! A worker is killed in mid-job; another one finishes it.

use framelift_e2e::process::signal;
use framelift_e2e::{Setup, Stack, clip, cloud, until};
use serde_json::json;

/// Short leases, so that the test need not wait a minute for the old one to end.
fn short_leases() -> Vec<(&'static str, String)> {
    vec![
        ("SPIN_VARIABLE_LEASE_S", "10".into()),
        ("FRAMELIFT_QUEUE_VISIBILITY", "10s".into()),
        ("FRAMELIFT_QUEUE_HEARTBEAT", "1s".into()),
        ("FRAMELIFT_WORKER_PROGRESS", "1s".into()),
    ]
}

#[tokio::test]
async fn a_job_survives_its_worker() {
    let stack =
        Stack::start(Setup { workers: 2, concurrency: 1, env: short_leases(), ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let long = clip::long(&stack.scratch());
    let id = ada.upload("long.mp4", &long, json!({"select": {"all": true}, "format": "png"})).await;
    until("frames from the first worker", || async {
        let video = ada.video(&id).await;
        let begun = video["status"] == "processing" && video["progress"]["frames_done"].as_u64() > Some(0);
        if begun { Ok(()) } else { Err(video.to_string()) }
    })
    .await;
    // Whichever has it: the one whose metrics say so.
    let info = stack.info();
    let mut victim = None;
    for (number, url) in info.worker_metrics.iter().enumerate() {
        let metrics = stack.client().get(url).send().await.unwrap().text().await.unwrap();
        let busy = metrics
            .lines()
            .any(|line| line.starts_with("framelift_worker_jobs_in_flight") && line.ends_with(" 1"));
        if busy {
            victim = Some(number);
        }
    }
    let victim = victim.expect("no worker says that it has the job");
    let pid = info.pids.workers[victim].unwrap();
    signal(pid, "KILL");
    let video = ada.finished(&id).await;
    assert_eq!(video["status"], "completed", "{video}");
    assert!(video["attempt"].as_u64() >= Some(2), "{video}");
    assert_eq!(video["result"]["frames"], 1200);
    // Nothing of the first attempt is left: one upload, one result and its index.
    let keys = cloud::keys(&stack.info()).await;
    assert_eq!(keys.iter().filter(|key| key.contains(&id)).count(), 3, "{keys:?}");
    // The killed one was started again.
    until("the worker's return", || async {
        match stack.info().pids.workers[victim] {
            Some(now) if now != pid => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    stack.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_gives_its_job_back() {
    let mut env = short_leases();
    env.push(("FRAMELIFT_WORKER_GRACE_PERIOD", "6s".into()));
    let stack = Stack::start(Setup { workers: 1, concurrency: 1, env, ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let long = clip::long(&stack.scratch());
    let id = ada.upload("long.mp4", &long, json!({"select": {"all": true}})).await;
    ada.wait_for(&id, "processing").await;
    signal(stack.info().pids.workers[0].unwrap(), "TERM");
    let video = ada.finished(&id).await;
    assert_eq!(video["status"], "completed", "{video}");
    stack.finish().await;
}
