//! A user whose client repeats every call until it is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use framelift_e2e::{User, WAIT_TIMEOUT};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::clips::Clip;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A video that was handed over, and whether its owner canceled or deleted it.
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) clip: &'static str,
    pub(crate) canceled: bool,
    pub(crate) deleted: bool,
}

/// The user, and the results that they saw.
pub(crate) struct Customer {
    pub(crate) user: User,
    pub(crate) uploads: Vec<Upload>,
    /// The results that were seen first.
    pub(crate) seen: BTreeMap<String, Value>,
    random: fastrand::Rng,
    client: reqwest::Client,
}

impl Customer {
    pub(crate) fn new(user: User, seed: u64) -> Self {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().unwrap();
        Self {
            user,
            uploads: Vec::new(),
            seen: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            client,
        }
    }

    /// Hands over so many videos, cancels and deletes some, and looks at them in between.
    pub(crate) async fn use_the_service(mut self, clips: &[Clip], jobs: u64) -> Self {
        for n in 0..jobs {
            let clip = self.choose(clips).clone();
            let id = self.hand_over(&clip, n).await;
            let mut upload = Upload { id, clip: clip.name, canceled: false, deleted: false };
            match self.random.u8(0..25) {
                0 => {
                    let path = format!("/videos/{}/cancel", upload.id);
                    self.call(Method::POST, &path, None, "", &[202, 409]).await;
                    upload.canceled = true;
                }
                1 => {
                    self.delete(&upload.id).await;
                    upload.deleted = true;
                }
                _ => {}
            }
            self.uploads.push(upload);
            if n.is_multiple_of(4) {
                self.look().await;
            }
        }
        self
    }

    fn choose<'a>(&mut self, clips: &'a [Clip]) -> &'a Clip {
        let mut left = self.random.u32(0..clips.iter().map(|clip| clip.share).sum());
        let chosen = clips.iter().find(|clip| {
            let found = left < clip.share;
            left = left.saturating_sub(clip.share);
            found
        });
        chosen.unwrap()
    }

    /// Repeats a call until it is answered for good; the answer must have one of these statuses.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
        statuses: &[u16],
    ) -> (u16, Value) {
        let give_up = std::time::Instant::now() + WAIT_TIMEOUT;
        loop {
            let mut request = self.client.request(method.clone(), format!("{}{path}", self.user.api()));
            request = request.bearer_auth(&self.user.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            if !key.is_empty() {
                request = request.header("idempotency-key", key);
            }
            let answered = async {
                let answer = request.send().await.map_err(|error| error.to_string())?;
                let status = answer.status();
                let text = answer.text().await.map_err(|error| error.to_string())?;
                if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                    return Err(format!("{status} {text}"));
                }
                Ok((status.as_u16(), serde_json::from_str(&text).unwrap_or_default()))
            };
            let last = match answered.await {
                Ok((status, answer)) => {
                    assert!(statuses.contains(&status), "{method} {path}: {status} {answer}");
                    return (status, answer);
                }
                Err(last) => last,
            };
            assert!(std::time::Instant::now() < give_up, "in vain: {method} {path}: {last}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Declares a video, uploads its bytes and hands it over, as often as it takes.
    async fn hand_over(&self, clip: &Clip, n: u64) -> String {
        let body = json!({
            "file_name": clip.name,
            "size_bytes": clip.bytes.len(),
            "options": clip.options,
        });
        let key = format!("{}-{n}", self.user.email);
        let (_, created) = self.call(Method::POST, "/videos", Some(&body), &key, &[200, 201]).await;
        let id = created["id"].as_str().unwrap().to_owned();
        loop {
            self.put_all(&created["upload"], &clip.bytes).await;
            let path = format!("/videos/{id}/complete");
            let (status, _) = self.call(Method::POST, &path, None, "", &[202, 409]).await;
            // What arrived was cut short; it is sent again.
            if status == 202 {
                return id;
            }
        }
    }

    async fn put_all(&self, upload: &Value, bytes: &[u8]) {
        if upload["method"] == "PUT" {
            return self.put(&upload["url"], &upload["headers"], bytes).await;
        }
        let mut rest = bytes;
        for part in upload["parts"].as_array().unwrap() {
            let (now, later) = rest.split_at(usize::try_from(part["size"].as_u64().unwrap()).unwrap());
            self.put(&part["url"], &Value::Null, now).await;
            rest = later;
        }
    }

    /// Sends bytes to the object store until it takes them.
    async fn put(&self, url: &Value, headers: &Value, bytes: &[u8]) {
        let give_up = std::time::Instant::now() + WAIT_TIMEOUT;
        loop {
            let mut request = self.client.put(url.as_str().unwrap()).body(bytes.to_vec());
            for (name, value) in headers.as_object().into_iter().flatten() {
                if !name.eq_ignore_ascii_case("content-length") {
                    request = request.header(name, value.as_str().unwrap());
                }
            }
            let last = match request.send().await {
                Ok(answer) if answer.status().is_success() => return,
                // A multipart upload that was completed, where the answer was lost, takes no parts.
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => return,
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(std::time::Instant::now() < give_up, "in vain: PUT {url}: {last}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Looks at the newest videos: a result that was there once stays as it is.
    async fn look(&mut self) {
        let (_, page) = self.call(Method::GET, "/videos?limit=20", None, "", &[200]).await;
        for video in page["items"].as_array().unwrap() {
            if video["status"] == "completed" {
                let id = video["id"].as_str().unwrap().to_owned();
                let first = self.seen.entry(id).or_insert_with(|| video["result"].clone());
                assert_eq!(*first, video["result"], "a result was published twice: {video}");
            }
        }
    }

    /// Deletes a video; one that is deleted already is not found.
    pub(crate) async fn delete(&self, id: &str) {
        self.call(Method::DELETE, &format!("/videos/{id}"), None, "", &[204, 404]).await;
    }

    /// All videos that are not deleted.
    pub(crate) async fn videos(&self) -> Vec<Value> {
        let (mut videos, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/videos?limit=100{cursor}");
            let (_, page) = self.call(Method::GET, &path, None, "", &[200]).await;
            videos.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return videos,
            }
        }
    }

    /// How many of the videos have ended.
    pub(crate) async fn ended(&self) -> usize {
        let videos = self.videos().await;
        let deleted = self.uploads.iter().filter(|upload| upload.deleted).count();
        deleted + videos.iter().filter(|video| !video["completed_at"].is_null()).count()
    }
}
