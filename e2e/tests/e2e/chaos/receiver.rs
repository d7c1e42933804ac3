//! A webhook of all customers that fails at times, and remembers what came.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// The receiver, and the bodies that came, by the ids of their events.
pub(crate) struct Receiver {
    url: String,
    came: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

impl Receiver {
    /// Starts it. Of five events, it refuses one and ends the connection over another when they come for the first time.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let came = Arc::<Mutex<BTreeMap<String, Vec<String>>>>::default();
        let shared = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let came = Arc::clone(&shared);
                // A worker that is killed or stopped must keep no other one waiting.
                std::thread::spawn(move || serve(stream, &came));
            }
        });
        Self { url, came }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The events that came, by video and type, with their ids.
    ///
    /// # Panics
    /// If an event came twice with different bodies.
    pub(crate) fn events(&self) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut events: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (id, bodies) in &*self.came.lock().unwrap() {
            assert!(
                bodies.iter().all(|body| *body == bodies[0]),
                "{id} came with different bodies: {bodies:?}"
            );
            let event: Value = serde_json::from_str(&bodies[0]).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let about = (text(&event["data"]["video_id"]), text(&event["type"]));
            events.entry(about).or_default().insert(id.clone());
        }
        events
    }

    /// How many events came, and how many of them more than once.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let came = self.came.lock().unwrap();
        (came.len(), came.values().filter(|bodies| bodies.len() > 1).count())
    }
}

/// Takes one request. One that is cut off is none.
fn serve(stream: TcpStream, came: &Mutex<BTreeMap<String, Vec<String>>>) {
    let mut request = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), 0);
    for line in request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        match line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim())) {
            Some((name, value)) if name == "content-length" => length = value.parse().unwrap_or(0),
            Some((name, value)) if name == "webhook-id" => value.clone_into(&mut id),
            _ => {}
        }
    }
    let mut body = String::new();
    let whole = request.by_ref().take(length).read_to_string(&mut body);
    if !whole.is_ok_and(|read| read as u64 == length) || id.is_empty() {
        return;
    }
    let (number, is_first) = {
        let mut came = came.lock().unwrap();
        let number = came.len();
        let bodies = came.entry(id).or_default();
        bodies.push(body);
        (number, bodies.len() == 1)
    };
    let answer: &[u8] = match number % 5 {
        0 if is_first => {
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        }
        // It has the event, and its answer gets lost.
        1 if is_first => return,
        _ => b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
    };
    let _ = request.get_mut().write_all(answer);
}
