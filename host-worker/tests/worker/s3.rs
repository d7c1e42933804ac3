//! As much of S3 as a worker uses, in memory, with faults on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};

use crate::http::{Answer, bytes, cut_short, query, serve, text};

pub(crate) const BUCKET: &str = "bucket";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Status(u16),
    CutShort,
    Hang,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    faults: Vec<(Method, &'static str, u32, Fault)>,
    requests: Vec<String>,
    asked_for: u64,
    made: u32,
}

#[derive(Clone)]
pub(crate) struct S3 {
    state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let address = serve(move |request| {
            let state = shared.clone();
            async move {
                let fault = state.lock().unwrap().fault(&request);
                match fault {
                    Some(Fault::Status(status)) => {
                        text(status, "<Error><Code>Injected</Code><Message>m</Message></Error>")
                    }
                    Some(Fault::Hang) => std::future::pending().await,
                    fault => state.lock().unwrap().answer(&request, fault.is_some()),
                }
            }
        })
        .await;
        Self { state, address }
    }

    pub(crate) fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.state.lock().unwrap().objects.insert(key.to_owned(), body.into());
    }

    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        self.state.lock().unwrap().objects.get(key).cloned()
    }

    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub(crate) fn open_upload(&self, id: &str, key: &str) {
        self.state.lock().unwrap().uploads.insert(id.to_owned(), (key.to_owned(), BTreeMap::new()));
    }

    pub(crate) fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.len()
    }

    /// The next `times` requests of that method whose target contains `part` go wrong.
    pub(crate) fn break_next(&self, method: Method, part: &'static str, times: u32, fault: Fault) {
        self.state.lock().unwrap().faults.push((method, part, times, fault));
    }

    /// Bytes of objects that were asked for so far.
    pub(crate) fn asked_for(&self) -> u64 {
        self.state.lock().unwrap().asked_for
    }

    pub(crate) fn requests(&self, part: &str) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|line| line.contains(part)).count()
    }
}

impl State {
    fn fault(&mut self, request: &Request<Bytes>) -> Option<Fault> {
        let target = request.uri().to_string();
        self.requests.push(format!("{} {target}", request.method()));
        let found = self.faults.iter_mut().find(|(method, part, left, _)| {
            *left > 0 && method == request.method() && target.contains(part)
        })?;
        found.2 -= 1;
        Some(found.3)
    }

    fn answer(&mut self, request: &Request<Bytes>, cut: bool) -> Answer {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        assert_eq!(bucket, BUCKET);
        let query: BTreeMap<String, String> = query(request).into_iter().collect();
        let of = |name: &str| query.get(name).cloned();
        match (request.method().as_str(), key, of("uploadId")) {
            ("HEAD", "", _) => text(200, ""),
            ("GET", "", _) => self.list(&query),
            ("HEAD", key, _) => match self.objects.get(key) {
                Some(object) => with(
                    bytes(200, ""),
                    &[("etag", &etag(object)), ("content-length", &object.len().to_string())],
                ),
                None => text(404, ""),
            },
            ("GET", key, _) => self.get(request, key, cut),
            ("PUT", key, upload) => {
                assert!(!request.headers().contains_key("content-encoding"), "not as chunks");
                let (tag, body) = (etag(request.body()), request.body().clone());
                match upload {
                    None => drop(self.objects.insert(key.to_owned(), body)),
                    Some(id) => match self.uploads.get_mut(&id) {
                        Some(upload) => {
                            upload.1.insert(of("partNumber").unwrap().parse().unwrap(), body);
                        }
                        None => return text(404, "<Error><Code>NoSuchUpload</Code></Error>"),
                    },
                }
                with(bytes(200, ""), &[("etag", &tag)])
            }
            ("POST", key, None) => {
                self.made += 1;
                let id = format!("upload-{}", self.made);
                self.uploads.insert(id.clone(), (key.to_owned(), BTreeMap::new()));
                text(
                    200,
                    format!(
                        "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            ("POST", _, Some(id)) => {
                let Some((key, parts)) = self.uploads.remove(&id) else {
                    return text(404, "<Error><Code>NoSuchUpload</Code></Error>");
                };
                let list = String::from_utf8_lossy(request.body());
                assert_eq!(list.matches("<PartNumber>").count(), parts.len(), "{list}");
                let (last, full) = parts.values().next_back().zip(Some(parts.len() - 1)).unwrap();
                assert!(parts.values().take(full).all(|part| part.len() >= 5 << 20), "small parts");
                assert!(!last.is_empty());
                let whole: Vec<u8> = parts.values().flat_map(|part| part.iter().copied()).collect();
                self.objects.insert(key, whole.into());
                text(200, "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>")
            }
            ("DELETE", key, upload) => {
                match upload {
                    Some(id) => drop(self.uploads.remove(&id)),
                    None => drop(self.objects.remove(key)),
                }
                text(204, "")
            }
            other => panic!("the fake S3 does not know {other:?}"),
        }
    }

    fn get(&mut self, request: &Request<Bytes>, key: &str, cut: bool) -> Answer {
        let Some(object) = self.objects.get(key) else {
            return text(404, "<Error><Code>NoSuchKey</Code></Error>");
        };
        if request.headers()["if-match"] != etag(object).as_str() {
            return text(412, "<Error><Code>PreconditionFailed</Code></Error>");
        }
        let range = request.headers()["range"].to_str().unwrap().trim_start_matches("bytes=").to_owned();
        let (from, to) = range.split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        let part = object.slice(from..=to);
        self.asked_for += part.len() as u64;
        let answer = if cut { cut_short(206, &part) } else { bytes(206, part) };
        with(
            answer,
            &[("etag", &etag(object)), ("content-range", &format!("bytes {from}-{to}/{}", object.len()))],
        )
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Answer {
        let prefix = query.get("prefix").unwrap();
        if query.contains_key("uploads") {
            let uploads = self.uploads.iter().filter(|(_, (key, _))| key.starts_with(prefix));
            let items: String = uploads
                .map(|(id, (key, _))| format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>"))
                .collect();
            return text(200, format!("<ListMultipartUploadsResult>{items}</ListMultipartUploadsResult>"));
        }
        let keys = self.objects.keys().filter(|key| key.starts_with(prefix));
        let items: String = keys.map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
        text(200, format!("<ListBucketResult>{items}</ListBucketResult>"))
    }
}

fn etag(body: &Bytes) -> String {
    let sum = body.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("\"{sum:x}\"")
}

fn with(mut answer: Answer, headers: &[(&'static str, &str)]) -> Answer {
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    answer
}
