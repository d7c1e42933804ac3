//! Waiting for a video: by one stream of events, and by polling if streams break off.

use std::process::Output;

use serde_json::{Value, json};

use super::error;
use super::server::{Answer, Server, json_answer, not_found};

fn video(id: &str, status: &str, percent: u8) -> Value {
    let done = status == "completed";
    json!({
        "id": id, "file_name": "a.mp4", "size_bytes": 1, "status": status, "options": {},
        "progress": {"stage": "extracting", "percent": percent, "frames_done": 3},
        "result": done.then(|| json!({"size_bytes": 1, "frames": 3, "sha256": "", "warnings": []})),
        "failure": null, "created_at": "", "completed_at": done.then_some("now"),
    })
}

fn event(name: &str, id: &str, data: &Value) -> String {
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// The `nth` answer for a path.
fn answer(path: &str, nth: usize) -> Answer {
    let stream = |text: String| (200, "text/event-stream", text);
    match (path, nth) {
        ("/videos/steady/events", _) => {
            let progress = json!({"id": "steady", "progress": video("steady", "", 50)["progress"]});
            let told = [
                "retry: 2000\n\n".to_owned(),
                event("status", "1-1", &video("steady", "processing", 0)),
                ": \n\n".to_owned(),
                event("progress", "1-2", &progress),
                event("status", "2-2", &video("steady", "completed", 100)),
            ];
            stream(told.concat())
        }
        ("/videos/broken/events", 0) => {
            stream(event("status", "1-1", &video("broken", "processing", 0)) + "event: sta")
        }
        ("/videos/broken/events", _) => stream(event("status", "2-2", &video("broken", "completed", 100))),
        ("/videos/broken", _) => json_answer(&video("broken", "processing", 0)),
        ("/videos/without", 0..3) => json_answer(&video("without", "pending", 0)),
        ("/videos/without", _) => json_answer(&video("without", "completed", 100)),
        _ => not_found("not-found"),
    }
}

/// Runs `framelift watch ID`. Returns its output and the recorded requests, each with its `Last-Event-ID`.
fn watch(id: &str) -> (Output, Vec<String>) {
    let server = Server::start(|request, nth| answer(&request.path, nth));
    let folder = tempfile::tempdir().unwrap();
    let output = server.command(folder.path(), &["watch", id, "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let asked = server.take_asked().into_iter().map(|request| match request.header("last-event-id") {
        Some(id) => format!("{} {id}", request.path),
        None => request.path,
    });
    (output, asked.collect())
}

/// Status and percentage of each record that was printed.
fn told(output: &Output) -> Vec<(String, u64)> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records
        .map(|video| {
            (video["status"].as_str().unwrap().to_owned(), video["progress"]["percent"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn one_request_is_enough_to_wait() {
    let (output, asked) = watch("steady");
    let expected = [("processing", 0), ("processing", 50), ("completed", 100)];
    assert_eq!(told(&output), expected.map(|(status, percent)| (status.to_owned(), percent)));
    assert_eq!(asked, ["/videos/steady/events"]);
}

#[test]
fn an_interrupted_stream_is_resumed() {
    let (output, asked) = watch("broken");
    let expected = [("processing", 0), ("completed", 100)];
    assert_eq!(told(&output), expected.map(|(status, percent)| (status.to_owned(), percent)));
    assert_eq!(asked, ["/videos/broken/events", "/videos/broken", "/videos/broken/events 1-1"]);
}

#[test]
fn without_streams_the_video_is_polled() {
    let (output, asked) = watch("without");
    let expected = [("pending", 0), ("completed", 100)];
    assert_eq!(told(&output), expected.map(|(status, percent)| (status.to_owned(), percent)));
    let (stream, look) = ("/videos/without/events", "/videos/without");
    assert_eq!(asked, [stream, look, stream, look, stream, look, look]);
}
