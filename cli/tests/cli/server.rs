//! A stand-in for the service, for what the real one does not do when asked: break off, stall, answer in many pages.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A request without its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Lines in lower case.
    headers: Vec<String>,
}

impl Request {
    /// The value of a header, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Status, media type and body.
pub(crate) type Answer = (u16, &'static str, String);

pub(crate) fn json_answer(body: &Value) -> Answer {
    (200, "application/json", body.to_string())
}

pub(crate) fn not_found(code: &str) -> Answer {
    let problem = json!({"code": code, "title": "x", "detail": "there is none"});
    (404, "application/json", problem.to_string())
}

/// A running server; each request has a connection and a thread.
pub(crate) struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` is called with a request and how often its path was requested before.
    pub(crate) fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::new(answer));
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                std::thread::spawn(move || serve(&stream.unwrap(), &noted, &*answer));
            }
        });
        Self { url, asked }
    }

    /// Takes the requests that were recorded since the last call.
    pub(crate) fn take_asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The program with a token for this server.
    pub(crate) fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framelift"));
        command.env_clear().env("HOME", folder).env("FRAMELIFT_SERVER", &self.url);
        command.env("FRAMELIFT_TOKEN", "good").current_dir(folder).args(arguments);
        command
    }
}

fn serve(
    mut stream: &TcpStream,
    asked: &Mutex<Vec<Request>>,
    answer: &(impl Fn(&Request, usize) -> Answer + ?Sized),
) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase()).collect();
    let request = Request { path, headers };
    let nth = {
        let mut asked = asked.lock().unwrap();
        asked.push(request.clone());
        asked.iter().filter(|other| other.path == request.path).count() - 1
    };
    let (status, media_type, body) = answer(&request, nth);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\nconnection: close\r\n\r\n");
    // The program may have ended.
    let _ = stream.write_all((head + &body).as_bytes());
}
