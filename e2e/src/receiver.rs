//! A webhook that takes everything.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A running webhook.
pub struct Receiver {
    /// Where events are sent to.
    pub url: String,
    signatures: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Starts it.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let signatures = Arc::<Mutex<Vec<String>>>::default();
        let received = signatures.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut request = BufReader::new(stream.unwrap());
                let mut length = 0;
                for line in request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty())
                {
                    match line.to_ascii_lowercase().split_once(':') {
                        Some(("content-length", value)) => length = value.trim().parse().unwrap(),
                        Some(("webhook-signature", _)) => received.lock().unwrap().push(line),
                        _ => {}
                    }
                }
                request.by_ref().take(length).read_to_end(&mut Vec::new()).unwrap();
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                request.get_mut().write_all(answer).unwrap();
            }
        });
        Self { url, signatures }
    }

    /// The signature of each event that was received.
    ///
    /// # Panics
    /// If the receiver has panicked.
    pub fn signatures(&self) -> Vec<String> {
        self.signatures.lock().unwrap().clone()
    }
}
