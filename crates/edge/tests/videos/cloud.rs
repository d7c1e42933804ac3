//! A bucket and a queue in memory, behind the outbound HTTP port.
//!
//! Objects know their size and, where they came through here, their bytes; a client's uploads
//! of gigabytes need none. Signatures are not checked, signed lengths are.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use framelift_contract::message::JobMessage;
use framelift_edge::ports::{Http, Unavailable};
use serde_json::{Value, json};
use url::Url;

/// Where the edge reaches the object store.
pub(crate) const S3: &str = "http://s3.internal:9000";
/// Where clients reach it.
pub(crate) const S3_PUBLIC: &str = "https://s3.example.com";
/// Where the edge reaches the queue.
pub(crate) const SQS: &str = "http://sqs.internal:9324";
pub(crate) const BUCKET: &str = "framelift";

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) size: u64,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}

#[derive(Clone, Debug)]
struct Upload {
    key: String,
    content_type: Option<String>,
    parts: BTreeMap<u32, Object>,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message: JobMessage,
    pub(crate) group: String,
    pub(crate) delay_s: u64,
}

#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) objects: RefCell<BTreeMap<String, Object>>,
    uploads: RefCell<BTreeMap<String, Upload>>,
    sent: RefCell<Vec<Sent>>,
    counter: Cell<u32>,
    /// Requests that the object store, and the queue, answer with 503 from now on.
    pub(crate) s3_failures: Cell<u32>,
    pub(crate) sqs_failures: Cell<u32>,
    /// Whether multipart uploads cannot be completed.
    pub(crate) refuses_parts: Cell<bool>,
    /// The largest body that came in one request.
    pub(crate) largest_body: Cell<usize>,
}

fn answer(status: u16, body: impl Into<Bytes>) -> http::Response<Bytes> {
    http::Response::builder().status(status).body(body.into()).unwrap()
}

fn refusal(status: u16, code: &str) -> http::Response<Bytes> {
    answer(status, format!("<Error><Code>{code}</Code></Error>"))
}

fn take(counter: &Cell<u32>) -> bool {
    let left = counter.get();
    counter.set(left.saturating_sub(1));
    left > 0
}

impl Cloud {
    /// The messages sent since the last call.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        self.sent.take()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.borrow().keys().cloned().collect()
    }

    /// Somebody else aborts every multipart upload.
    pub(crate) fn forget_uploads(&self) {
        self.uploads.borrow_mut().clear();
    }

    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.uploads.borrow().values().map(|upload| upload.key.clone()).collect()
    }

    /// A client follows a presigned PUT with `size` bytes; the status it gets.
    pub(crate) fn client_put(&self, url: &str, headers: &BTreeMap<String, String>, size: u64) -> u16 {
        let url = Url::parse(url).unwrap();
        assert!(url.as_str().starts_with(S3_PUBLIC), "{url} is not public");
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert!(query["X-Amz-SignedHeaders"].contains("content-length"), "{url}");
        if let Some(length) = headers.get("content-length")
            && *length != size.to_string()
        {
            return 403;
        }
        let object = Object { size, content_type: headers.get("content-type").cloned(), bytes: Bytes::new() };
        let key = url.path().strip_prefix(&format!("/{BUCKET}/")).unwrap().to_owned();
        match query.get("uploadId") {
            None => {
                self.objects.borrow_mut().insert(key, object);
                200
            }
            Some(id) => match self.uploads.borrow_mut().get_mut(id) {
                Some(upload) => {
                    upload.parts.insert(query["partNumber"].parse().unwrap(), object);
                    200
                }
                None => 404,
            },
        }
    }

    fn s3(&self, request: &http::Request<Bytes>) -> http::Response<Bytes> {
        if take(&self.s3_failures) {
            return refusal(503, "SlowDown");
        }
        let url = Url::parse(&request.uri().to_string()).unwrap();
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert!(query.contains_key("X-Amz-Signature"), "{url} is not signed");
        let key = url.path().strip_prefix(&format!("/{BUCKET}/")).expect("path style").to_owned();
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = request.body().clone();
        let object =
            || Object { size: body.len() as u64, content_type: header("content-type"), bytes: body.clone() };
        match (request.method().as_str(), key.as_str()) {
            ("HEAD", "") => answer(200, ""),
            ("HEAD", key) => match self.objects.borrow().get(key) {
                None => answer(404, ""),
                Some(object) => {
                    let response = http::Response::builder().header("etag", "\"e\"");
                    response.header("content-length", object.size).body(Bytes::new()).unwrap()
                }
            },
            ("GET", "") if query.contains_key("uploads") => self.list_uploads(&query["prefix"]),
            ("GET", "") => self.list(&query["prefix"]),
            ("POST", key) if query.contains_key("uploads") => {
                self.counter.set(self.counter.get() + 1);
                let id = format!("upload-{}", self.counter.get());
                let upload =
                    Upload { key: key.into(), content_type: header("content-type"), parts: BTreeMap::new() };
                self.uploads.borrow_mut().insert(id.clone(), upload);
                answer(
                    200,
                    format!(
                        "<InitiateMultipartUploadResult xmlns=\"{NAMESPACE}\"><UploadId>{id}</UploadId>\
                         </InitiateMultipartUploadResult>"
                    ),
                )
            }
            ("PUT", key) => match query.get("uploadId") {
                None => {
                    self.objects.borrow_mut().insert(key.into(), object());
                    answer(200, "")
                }
                Some(id) => match self.uploads.borrow_mut().get_mut(id) {
                    None => refusal(404, "NoSuchUpload"),
                    Some(upload) => {
                        upload.parts.insert(query["partNumber"].parse().unwrap(), object());
                        http::Response::builder().header("etag", "\"e\"").body(Bytes::new()).unwrap()
                    }
                },
            },
            ("GET", _) => self.list_parts(&query["uploadId"]),
            ("POST", key) => self.complete(key, &query["uploadId"]),
            ("DELETE", key) => match query.get("uploadId") {
                Some(id) => match self.uploads.borrow_mut().remove(id) {
                    Some(_) => answer(204, ""),
                    None => refusal(404, "NoSuchUpload"),
                },
                None => {
                    self.objects.borrow_mut().remove(key);
                    answer(204, "")
                }
            },
            (method, _) => panic!("the edge sent {method} {url}"),
        }
    }

    fn list(&self, prefix: &str) -> http::Response<Bytes> {
        let keys = self.objects.borrow();
        let contents: String = keys
            .keys()
            .filter(|key| key.starts_with(prefix))
            .map(|key| format!("<Contents><Key>{key}</Key></Contents>"))
            .collect();
        answer(
            200,
            format!(
                "<ListBucketResult xmlns=\"{NAMESPACE}\"><IsTruncated>false</IsTruncated>{contents}\
                 </ListBucketResult>"
            ),
        )
    }

    fn list_uploads(&self, prefix: &str) -> http::Response<Bytes> {
        let uploads = self.uploads.borrow();
        let found: String = uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(prefix))
            .map(|(id, upload)| {
                format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", upload.key)
            })
            .collect();
        answer(
            200,
            format!("<ListMultipartUploadsResult xmlns=\"{NAMESPACE}\">{found}</ListMultipartUploadsResult>"),
        )
    }

    fn list_parts(&self, id: &str) -> http::Response<Bytes> {
        let uploads = self.uploads.borrow();
        let Some(upload) = uploads.get(id) else { return refusal(404, "NoSuchUpload") };
        let parts: String = upload
            .parts
            .iter()
            .map(|(number, part)| {
                format!(
                    "<Part><PartNumber>{number}</PartNumber><LastModified>2026-01-01T00:00:00.000Z\
                     </LastModified><ETag>\"e\"</ETag><Size>{}</Size></Part>",
                    part.size
                )
            })
            .collect();
        answer(
            200,
            format!(
                "<ListPartsResult xmlns=\"{NAMESPACE}\"><MaxParts>1000</MaxParts>\
                 <IsTruncated>false</IsTruncated>{parts}</ListPartsResult>"
            ),
        )
    }

    fn complete(&self, key: &str, id: &str) -> http::Response<Bytes> {
        if self.refuses_parts.get() {
            return refusal(400, "InvalidPart");
        }
        let Some(upload) = self.uploads.borrow_mut().remove(id) else {
            return refusal(404, "NoSuchUpload");
        };
        assert_eq!(upload.key, key);
        let bytes: Vec<u8> = upload.parts.values().flat_map(|part| part.bytes.to_vec()).collect();
        let size = upload.parts.values().map(|part| part.size).sum();
        let object = Object { size, content_type: upload.content_type, bytes: bytes.into() };
        self.objects.borrow_mut().insert(key.to_owned(), object);
        answer(
            200,
            format!(
                "<CompleteMultipartUploadResult xmlns=\"{NAMESPACE}\"><ETag>\"e\"</ETag>\
                 </CompleteMultipartUploadResult>"
            ),
        )
    }

    fn sqs(&self, request: &http::Request<Bytes>) -> http::Response<Bytes> {
        if take(&self.sqs_failures) {
            return answer(500, r#"{"__type":"InternalError"}"#);
        }
        assert!(request.headers().contains_key("authorization"), "an unsigned call to the queue");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        match request.headers()["x-amz-target"].to_str().unwrap() {
            "AmazonSQS.SendMessage" => {
                self.sent.borrow_mut().push(Sent {
                    message: serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap(),
                    group: body["MessageGroupId"].as_str().unwrap().to_owned(),
                    delay_s: body["DelaySeconds"].as_u64().unwrap(),
                });
                answer(200, json!({ "MessageId": "m" }).to_string())
            }
            "AmazonSQS.GetQueueAttributes" => answer(200, json!({ "Attributes": {} }).to_string()),
            other => panic!("the edge called {other}"),
        }
    }
}

impl Http for Cloud {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Unavailable> {
        self.largest_body.set(self.largest_body.get().max(request.body().len()));
        let uri = request.uri().to_string();
        if uri.starts_with(S3) {
            Ok(self.s3(&request))
        } else if uri.starts_with(SQS) {
            Ok(self.sqs(&request))
        } else {
            panic!("the edge called {uri}")
        }
    }
}
