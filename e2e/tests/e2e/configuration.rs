//! Wrong variables: the start says all that is wrong, and an edge that runs with them is not ready.

use std::process::{Command, Output};

use framelift_e2e::process::{program, root, signal};
use framelift_e2e::{Setup, Stack, until};

fn stack_command(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program("framelift-stack"));
    command.args(arguments).envs(environment.iter().copied()).current_dir(root()).output().unwrap()
}

#[test]
fn everything_wrong_stops_the_start_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let wrong = [
        ("SPIN_VARIABLE_SIGNING_KEY", "short"),
        ("SPIN_VARIABLE_LEASE_S", "0"),
        ("SPIN_VARIABLE_S3_PATH_STYLE", "perhaps"),
        ("SPIN_VARIABLE_CORS_ORIGINS", "*"),
        ("SPIN_VARIABLE_LEESE_S", "60"),
        ("FRAMELIFT_QUEUE_HEARTBEAT", "often"),
        ("FRAMELIFT_LIMITS_MAX_WALL", "long"),
    ];
    // What is in the environment counts, or the stack's own signing key would.
    let arguments = ["up", "--port", "0", "--data", data.to_str().unwrap()];
    let ended = stack_command(&arguments, &wrong);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(64), "{said}");
    for (name, value) in wrong {
        let name = name.strip_prefix("SPIN_VARIABLE_").map_or(name.to_owned(), str::to_lowercase);
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(&name)).collect();
        assert_eq!(lines.len(), 1, "{name}: {said}");
        assert!(name != "signing_key" || !lines[0].contains(value), "{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    for part in ["s3", "sqs", "kv", "logs/edge.log"] {
        assert!(!data.join(part).exists(), "{part} was started");
    }
}

#[test]
fn variables_for_production_are_checked_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.env");
    let keys = String::from_utf8(stack_command(&["keys"], &[]).stdout).unwrap();
    std::fs::write(&file, &keys).unwrap();
    let check =
        || stack_command(&["check-variables", file.to_str().unwrap()], &[("SPIN_VARIABLE_S3_BUCKET", "x")]);
    let ended = check();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(64), "{said}");
    for missing in ["s3_bucket", "s3_endpoint", "sqs_endpoint", "sqs_queue_url", "aws_access_key_id"] {
        assert!(said.contains(&format!("variables.{missing}: is required")), "{said}");
    }
    let whole = keys
        + "SPIN_VARIABLE_AWS_ACCESS_KEY_ID=id\nSPIN_VARIABLE_AWS_SECRET_ACCESS_KEY='secret'\n\
           SPIN_VARIABLE_S3_ENDPOINT=https://s3.us-east-1.amazonaws.com\nSPIN_VARIABLE_S3_BUCKET=frames\n\
           SPIN_VARIABLE_SQS_ENDPOINT=https://sqs.us-east-1.amazonaws.com\n\
           SPIN_VARIABLE_SQS_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/jobs\n";
    std::fs::write(&file, whole).unwrap();
    let ended = check();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn an_edge_of_which_a_component_cannot_read_its_variables_is_not_ready() {
    let stack = Stack::start(Setup::default()).await;
    let overrides = stack.data().join("edge.env");
    let restart = async || {
        let edge = stack.info().pids.edge.unwrap();
        signal(edge, "TERM");
        until("the edge's return", || async {
            let now = stack.info().pids.edge;
            if now.is_some_and(|now| now != edge) { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    };
    let status = async |path: &str| {
        let answer = stack.client().get(format!("{}{path}", stack.info().api)).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    };
    let becomes = async |expected: u16| {
        until("an answer about readiness", || async {
            let got = status("/health/ready").await;
            if got == expected { Ok(()) } else { Err(got.to_string()) }
        })
        .await;
    };
    std::fs::write(&overrides, "SPIN_VARIABLE_FRAMES_KEY=short\nSPIN_VARIABLE_PROXY_HOPS=many\n").unwrap();
    restart().await;
    becomes(503).await;
    assert_eq!(status("/health").await, 200);
    let logs = stack.logs();
    for problem in [
        "frames_key: each key must have at least 16 characters",
        "proxy_hops: must be a whole number from 0 to 10",
        "auth answers 503",
        "frames answers 503",
    ] {
        assert!(logs.contains(problem), "{problem} is not in the logs:\n{logs}");
    }
    std::fs::remove_file(&overrides).unwrap();
    restart().await;
    becomes(200).await;
    stack.finish().await;
}
