//! One video is one trace, from the request that created it to its last notice.

use std::collections::{BTreeMap, BTreeSet};

use framelift_e2e::collector::Collector;
use framelift_e2e::receiver::Receiver;
use framelift_e2e::{Setup, Stack, clip};
use reqwest::Method;
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

#[tokio::test]
async fn a_video_is_one_connected_trace() {
    let collector =
        Collector::start().await.expect("no collector is installed: run the tests with `cargo xtask test`");
    let env = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone())];
    let stack = Stack::start(Setup { env, ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let receiver = Receiver::start();
    let settings = json!({"notifications": {"email_on_completion": true, "webhook_url": receiver.url}});
    ada.expect(Method::PATCH, "/auth/me", Some(settings), 200).await;

    let video = clip::sample("cars-30s.mp4");
    let options = json!({"select": {"count": 3}, "plugins": [{"name": "grayscale"}]});
    let body = json!({"file_name": "cars.mp4", "size_bytes": video.len(), "options": options});
    let create = stack.client().post(format!("{}/videos", ada.api())).bearer_auth(&ada.token).json(&body);
    let created = create.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await.unwrap();
    let created: Value = created.json().await.unwrap();
    ada.put(&created["upload"], &video).await;
    let id = created["id"].as_str().unwrap();
    ada.expect(Method::POST, &format!("/videos/{id}/complete"), None, 202).await;
    assert_eq!(ada.finished(id).await["status"], "completed");
    let lines: Vec<Value> = stack.logs().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for event in ["VideoUploaded", "ProcessingStarted"] {
        let line = lines.iter().find(|line| line["event"] == event).unwrap();
        assert!(line.to_string().contains(TRACE), "{event} names the trace: {line}");
    }
    // What is still in the queue is the notice; the processes send their last spans as they end.
    stack.finish().await;

    let spans: BTreeMap<String, Value> = collector
        .spans()
        .into_iter()
        .filter(|span| span["traceId"] == TRACE)
        .map(|span| (span["spanId"].as_str().unwrap().to_owned(), span))
        .collect();
    let names: BTreeSet<&str> = spans.values().map(|span| span["name"].as_str().unwrap()).collect();
    for (id, span) in &spans {
        let parent = span["parentSpanId"].as_str().unwrap();
        assert!(parent == CALLER || spans.contains_key(parent), "{id} hangs in the air: {span}\n{names:?}");
    }
    let attributes = |name: &str| {
        let span = spans.values().find(|span| span["name"] == name);
        span.map(|span| span["attributes"].to_string()).unwrap_or_default()
    };
    let run = attributes("running a plugin");
    for attribute in ["plugin", "version", "frames", "busy_ms"] {
        assert!(run.contains(attribute), "{attribute} is not in {run}");
    }
    for name in [
        "job",
        "control claim",
        "reading",
        "getting a plugin ready",
        "opening",
        "extracting",
        "running a plugin",
        "finishing",
        "storing",
        "upload of the archive",
        "control complete",
        "email",
        "control notified",
        "webhook",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    // The edge's: the caller's request, and what the worker asked of it.
    let served = |of: &str| {
        spans
            .values()
            .any(|span| span["kind"] == 2 && span["name"].as_str().is_some_and(|it| it.contains(of)))
    };
    assert!(served("POST /videos") && served("POST /internal/"), "{names:?}");
}
