//! A user of the API, with nothing but HTTP.

use std::io::Cursor;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::until;

/// A signed-in user.
#[derive(Clone)]
pub struct User {
    client: Client,
    api: String,
    /// The e-mail address.
    pub email: String,
    /// The access token.
    pub token: String,
    /// The refresh token.
    pub refresh_token: String,
}

/// The password of all users.
pub const PASSWORD: &str = "correct horse battery";

impl User {
    /// Registers and logs in.
    ///
    /// # Panics
    /// If the API does not do as it promises.
    pub async fn sign_up(client: Client, api: String, name: &str) -> Self {
        Self::with_password(client, api, name, PASSWORD).await
    }

    /// Registers with this password, and logs in.
    ///
    /// # Panics
    /// If the API does not do as it promises.
    pub async fn with_password(client: Client, api: String, name: &str, password: &str) -> Self {
        let email = format!("{name}@example.com");
        let account = json!({"name": name, "email": email, "password": password});
        let registered = client.post(format!("{api}/auth/register")).json(&account).send().await.unwrap();
        assert_eq!(registered.status(), StatusCode::CREATED, "{}", registered.text().await.unwrap());
        Self::log_in(client, api, email, password).await
    }

    /// Logs in to an account that is there.
    ///
    /// # Panics
    /// If the API does not do as it promises.
    pub async fn log_in(client: Client, api: String, email: String, password: &str) -> Self {
        let login = json!({"email": email, "password": password});
        let tokens = client.post(format!("{api}/auth/login")).json(&login).send().await.unwrap();
        assert_eq!(tokens.status(), StatusCode::OK);
        let tokens: Value = tokens.json().await.unwrap();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self { client, api, email, token: text("access_token"), refresh_token: text("refresh_token") }
    }

    /// Where the API is.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The same user at another address of the API (after a restart on another port).
    pub fn at(&self, api: &str) -> Self {
        Self { api: api.to_owned(), ..self.clone() }
    }

    /// Sends a request with the user's token.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.api)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    /// Sends a request and reads the JSON of an answer with that status.
    ///
    /// # Panics
    /// If the answer has another status.
    pub async fn expect(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let answer = self.send(method.clone(), path, body.as_ref()).await;
        let got = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(got.as_u16(), status, "{method} {path}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Declares a video; the answer of `POST /videos`.
    pub async fn create(&self, file_name: &str, size: usize, options: Value) -> Value {
        let body = json!({"file_name": file_name, "size_bytes": size, "options": options});
        self.expect(Method::POST, "/videos", Some(body), 201).await
    }

    /// Puts the bytes where `POST /videos` said, in one piece or in parts.
    ///
    /// # Panics
    /// If the store does not take them.
    pub async fn put(&self, upload: &Value, bytes: &[u8]) {
        let put = |url: &Value, bytes: &[u8]| {
            let mut request = self.client.put(url.as_str().unwrap()).body(bytes.to_vec());
            for (name, value) in upload["headers"].as_object().into_iter().flatten() {
                if !name.eq_ignore_ascii_case("content-length") {
                    request = request.header(name, value.as_str().unwrap());
                }
            }
            request.send()
        };
        if upload["method"] == "PUT" {
            let answer = put(&upload["url"], bytes).await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
            return;
        }
        assert_eq!(upload["method"], "MULTIPART");
        let mut rest = bytes;
        for part in upload["parts"].as_array().unwrap() {
            let (now, later) = rest.split_at(usize::try_from(part["size"].as_u64().unwrap()).unwrap());
            let answer = put(&part["url"], now).await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
            rest = later;
        }
        assert!(rest.is_empty());
    }

    /// Declares, uploads and hands over a video; its id.
    ///
    /// # Panics
    /// If the API does not do as it promises.
    pub async fn upload(&self, file_name: &str, bytes: &[u8], options: Value) -> String {
        let created = self.create(file_name, bytes.len(), options).await;
        self.put(&created["upload"], bytes).await;
        let id = created["id"].as_str().unwrap().to_owned();
        self.expect(Method::POST, &format!("/videos/{id}/complete"), None, 202).await;
        id
    }

    /// The video's record.
    pub async fn video(&self, id: &str) -> Value {
        self.expect(Method::GET, &format!("/videos/{id}"), None, 200).await
    }

    /// Waits until the video has this status.
    pub async fn wait_for(&self, id: &str, status: &str) -> Value {
        until(&format!("{id} to be {status}"), || async {
            let video = self.video(id).await;
            if video["status"] == status { Ok(video) } else { Err(video.to_string()) }
        })
        .await
    }

    /// Waits until the video's status is terminal.
    pub async fn finished(&self, id: &str) -> Value {
        until(&format!("the end of {id}"), || async {
            let video = self.video(id).await;
            if video["completed_at"].is_null() { Err(video.to_string()) } else { Ok(video) }
        })
        .await
    }

    /// Downloads the archive by the redirect.
    ///
    /// # Panics
    /// If there is none.
    pub async fn download(&self, id: &str) -> Vec<u8> {
        let answer = self.send(Method::GET, &format!("/videos/{id}/download"), None).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
        let url = answer.headers()["location"].to_str().unwrap().to_owned();
        // The URL alone must do: the token stays with the API.
        let archive = self.client.get(url).send().await.unwrap();
        assert_eq!(archive.status(), StatusCode::OK);
        archive.bytes().await.unwrap().to_vec()
    }
}

/// The names and the manifest of an archive.
///
/// # Panics
/// If it is no archive of ours.
pub fn open_archive(bytes: &[u8]) -> (Vec<String>, Value) {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names =
        (0..archive.len()).map(|n| archive.by_index(n).unwrap().name().unwrap().into_owned()).collect();
    let manifest = serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
    (names, manifest)
}
