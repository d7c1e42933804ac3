//! Short jobs and long ones: neither lane keeps the other waiting.

use framelift_contract::report::Job;
use framelift_dev_faults::{Fault, Rule};
use serde_json::json;

use crate::rig::{JOBS, Rig, SHORT, eventually, message, small_video};

/// Adds a job; its upload is not answered by the store when it is read, as that of a job that takes hours.
async fn add_stalled(rig: &Rig, number: u8) -> Job {
    let job = rig.add(number, small_video(), json!({"select": {"all": true}}), 1).await;
    rig.s3.faults().add(Rule::new(Fault::Stall).on("GET", &job.source_key));
    job
}

fn ended(rig: &Rig, job: &Job) -> bool {
    let calls = rig.control.calls("complete");
    calls.iter().any(|call| call.correlation_id == job.correlation_id.as_str())
}

async fn at_work(rig: &Rig, jobs: usize) {
    let line = format!("framelift_worker_permits_used {jobs}\n");
    eventually("so many permits are used", async || {
        rig.control.calls("claim").len() >= jobs && rig.get("/metrics").await.1.contains(&line)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_job_is_done_while_long_ones_have_every_other_permit() {
    let mut rig = Rig::with("250 ok", "[worker]\nconcurrency = 1\ngrace_period = \"1s\"").await;
    let mut long = Vec::new();
    for number in 1..=3 {
        long.push(add_stalled(&rig, number).await);
    }
    for job in &long {
        rig.send(job).await;
    }
    // One is worked on, and two wait.
    rig.control.called("claim").await;
    for number in 4..=6 {
        let short = rig.add(number, small_video(), json!({"select": {"count": 1}}), 1).await;
        rig.send_text(SHORT, &message(&short)).await;
        eventually("the short job is done", async || ended(&rig, &short)).await;
    }
    eventually("its message is gone", async || rig.messages(SHORT).await.is_empty()).await;
    assert_eq!(rig.messages(JOBS).await.len(), 3);
    assert!(!long.iter().any(|job| ended(&rig, job)));
    assert_eq!(rig.control.calls("claim").len(), 4);
    let page = rig.get("/metrics").await.1;
    for line in ["{lane=\"main\"} 1\n", "{lane=\"short\"} 3\n"] {
        assert!(page.contains(&format!("framelift_worker_messages_total{line}")), "{line} is not in\n{page}");
    }
    rig.s3.faults().clear();
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_jobs_have_all_permits_where_there_are_no_others() {
    let mut rig = Rig::with("250 ok", "[worker]\nconcurrency = 1\ngrace_period = \"1s\"").await;
    for number in 1..=2 {
        let job = add_stalled(&rig, number).await;
        rig.send_text(SHORT, &message(&job)).await;
    }
    at_work(&rig, 2).await;
    rig.s3.faults().clear();
    rig.finish().await;
}
