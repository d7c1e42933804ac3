//! Waiting for a video: by one stream of events, and by polling if streams break off.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::error;

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

/// The media type and the body of the `nth` answer for a path; none for 404.
fn body(path: &str, nth: usize) -> Option<(&'static str, String)> {
    let (json, stream) = ("application/json", "text/event-stream");
    Some(match (path, nth) {
        ("/videos/steady/events", _) => {
            let progress = json!({"id": "steady", "progress": video("steady", "", 50)["progress"]});
            let told = [
                "retry: 2000\n\n".to_owned(),
                event("status", "1-1", &video("steady", "processing", 0)),
                ": \n\n".to_owned(),
                event("progress", "1-2", &progress),
                event("status", "2-2", &video("steady", "completed", 100)),
            ];
            (stream, told.concat())
        }
        ("/videos/broken/events", 0) => {
            (stream, event("status", "1-1", &video("broken", "processing", 0)) + "event: sta")
        }
        ("/videos/broken/events", _) => (stream, event("status", "2-2", &video("broken", "completed", 100))),
        ("/videos/broken", _) => (json, video("broken", "processing", 0).to_string()),
        ("/videos/without", 0..3) => (json, video("without", "pending", 0).to_string()),
        ("/videos/without", _) => (json, video("without", "completed", 100).to_string()),
        _ => return None,
    })
}

/// Answers one request, and records its path and `Last-Event-ID`.
fn answer(stream: &TcpStream, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let mut path = request.split(' ').nth(1).unwrap().to_owned();
    let nth = asked.lock().unwrap().iter().filter(|other| other.split(' ').next() == Some(&path)).count();
    let answer = body(&path, nth);
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(id) = line.strip_prefix("last-event-id: ") {
            path = format!("{path} {id}");
        }
    }
    asked.lock().unwrap().push(path);
    let (status, (media_type, body)) = match answer {
        Some(answer) => (200, answer),
        None => {
            (404, ("application/json", json!({"code": "not-found", "title": "", "detail": ""}).to_string()))
        }
    };
    let mut stream = stream;
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\nconnection: close\r\n\r\n{body}"
    );
}

/// Runs `framelift watch ID`. Returns its output and the recorded requests.
fn watch(id: &str) -> (Output, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(&stream.unwrap(), &noted)));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_framelift"));
    command.env_clear().env("HOME", folder.path()).env("FRAMELIFT_SERVER", &server);
    command.env("FRAMELIFT_TOKEN", "good").args(["watch", id, "--json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let asked = asked.lock().unwrap().clone();
    (output, asked)
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
