//! The edge dies and returns; the whole stack is killed and finds everything again.

use framelift_e2e::process::{program, root, signal};
use framelift_e2e::{Setup, Stack, clip, until};
use serde_json::json;

#[tokio::test]
async fn everything_is_still_there_at_the_next_start() {
    // Short, because the video that is under way when all is killed waits for both.
    let env = [
        ("SPIN_VARIABLE_LEASE_S", "6"),
        ("FRAMELIFT_QUEUE_VISIBILITY", "10s"),
        ("FRAMELIFT_QUEUE_HEARTBEAT", "2s"),
    ];
    let env = env.map(|(name, value)| (name, value.to_owned())).into();
    let mut stack = Stack::start(Setup { env, ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let cars = clip::sample("cars-30s.mp4");
    let done = ada.upload("cars.mp4", &cars, json!({"select": {"count": 4}})).await;
    ada.wait_for(&done, "completed").await;
    let archive = ada.download(&done).await;

    // The edge host dies: it is started again at the same address, and `stack.json` follows.
    let edge = stack.info().pids.edge.unwrap();
    signal(edge, "KILL");
    until("the edge's return", || async {
        match stack.info().pids.edge {
            Some(now) if now != edge => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(ada.download(&done).await, archive);

    // A second stack on the same folder is refused in one line.
    let second = std::process::Command::new(program("framelift-stack"))
        .args(["up", "--port", "0", "--data"])
        .arg(stack.data())
        .current_dir(root())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another stack runs") && said.lines().count() == 1, "{said}");

    // Killed outright with a job under way: nothing is lost.
    let long = clip::long(&stack.scratch());
    let under_way = ada.upload("long.mp4", &long, json!({"select": {"all": true}})).await;
    ada.wait_for(&under_way, "processing").await;
    stack.kill().await;
    stack.start_again().await;
    let ada = ada.at(&stack.info().api);
    assert_eq!(ada.download(&done).await, archive);
    let video = ada.finished(&under_way).await;
    assert_eq!(video["status"], "completed", "{video}");
    stack.finish().await;
}
