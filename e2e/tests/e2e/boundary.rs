//! Invalid requests: each kind gets its own problem document, and nothing breaks.

use framelift_e2e::{Setup, Stack, User};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn problem(answer: reqwest::Response, status: u16, code: &str) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{answer:?}");
    assert!(answer.headers().contains_key("x-correlation-id"));
    assert_eq!(answer.status().as_u16(), status, "{answer:?}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["type"], format!("urn:framelift:problem:{code}"));
    assert_eq!(body["status"], status);
    body
}

/// A token with these claims, signed with nothing or with a made-up signature.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

#[tokio::test]
async fn every_kind_of_rubbish_gets_its_own_answer() {
    let stack = Stack::start(Setup::default()).await;
    let api = stack.info().api;
    let client = stack.client().clone();
    let ada = stack.user("ada").await;
    let bob = stack.user("bob").await;

    routes(&api, &client).await;
    headers(&api, &client).await;
    bodies(&api, &client, &ada).await;
    tokens(&api, &client, &ada).await;
    other_peoples_videos(&ada, &bob).await;
    uploads(&stack, &ada).await;
    workers_only(&stack, &ada).await;
    stack.finish().await;
}

/// Every documented call tells browsers what they may do with its answer, whichever component it comes from.
async fn headers(api: &str, client: &reqwest::Client) {
    let document: Value =
        client.get(format!("{api}/openapi.json")).send().await.unwrap().json().await.unwrap();
    let mut calls = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for name in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(name.to_uppercase().as_bytes()).unwrap();
            let url = format!("{api}{}", path.replace(['{', '}'], ""));
            let answer =
                client.request(method, &url).header("x-forwarded-proto", "https").send().await.unwrap();
            let header = |name: &str| {
                answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
            };
            assert_eq!(header("x-content-type-options"), "nosniff", "{name} {path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{name} {path}");
            assert_eq!(header("strict-transport-security"), "max-age=31536000", "{name} {path}");
            let policy = header("content-security-policy");
            let is_page = header("content-type").starts_with("text/html");
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}"
            );
            assert_eq!(policy.contains("script-src 'self'"), is_page, "{name} {path}");
            calls += 1;
        }
    }
    assert!(calls > 50, "{calls}");
}

async fn routes(api: &str, client: &reqwest::Client) {
    problem(client.get(format!("{api}/nothing/here")).send().await.unwrap(), 404, "not-found").await;
    let answer = client.put(format!("{api}/auth/login")).send().await.unwrap();
    assert!(answer.headers()["allow"].to_str().unwrap().contains("POST"));
    problem(answer, 405, "method-not-allowed").await;
    let answer =
        client.get(format!("{api}/health")).header("x-correlation-id", "mine-1").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["x-correlation-id"], "mine-1");
    let answer =
        client.get(format!("{api}/health")).header("x-correlation-id", "not mine!").send().await.unwrap();
    assert_ne!(answer.headers()["x-correlation-id"], "not mine!");
    for path in ["/health/ready", "/openapi.json", "/docs", "/.well-known/jwks.json"] {
        assert_eq!(
            client.get(format!("{api}{path}")).send().await.unwrap().status(),
            StatusCode::OK,
            "{path}"
        );
    }
    let document: Value =
        client.get(format!("{api}/openapi.json")).send().await.unwrap().json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/videos/{id}/complete"]["post"].is_object());
}

async fn bodies(api: &str, client: &reqwest::Client, ada: &User) {
    let videos = format!("{api}/videos");
    let post = |body: Vec<u8>| {
        let request = client.post(&videos).bearer_auth(&ada.token).header("content-type", "application/json");
        async move { request.body(body).send().await.unwrap() }
    };
    problem(post(b"{".to_vec()).await, 400, "malformed-json").await;
    problem(post(b"\xff\xfe".to_vec()).await, 400, "malformed-json").await;
    problem(post(vec![b' '; 70 << 10]).await, 413, "payload-too-large").await;
    for (body, pointer) in [
        (json!({"file_name": "a.mp4", "size_bytes": 1, "surprise": 1}), "/surprise"),
        (json!({"file_name": "a.mp4", "size_bytes": 0}), "/size_bytes"),
        (json!({"file_name": "a.mp4", "size_bytes": -1}), "/size_bytes"),
        (json!({"file_name": "a.mp4", "size_bytes": "1"}), "/size_bytes"),
        (json!({"file_name": "", "size_bytes": 1}), "/file_name"),
        (
            json!({"file_name": "a.mp4", "size_bytes": 1, "options": {"select": {"every": "fast"}}}),
            "/options/select/every",
        ),
        (json!({"file_name": "a.mp4", "size_bytes": 1, "options": {"quality": 101}}), "/options/quality"),
    ] {
        let answer = problem(post(body.to_string().into_bytes()).await, 422, "validation-failed").await;
        let pointers: Vec<&str> = answer["errors"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|error| error["pointer"].as_str())
            .collect();
        assert!(pointers.contains(&pointer), "{body}: {answer}");
    }
    let forbidden = json!({"file_name": "a.exe", "size_bytes": 1});
    problem(post(forbidden.to_string().into_bytes()).await, 415, "unsupported-file-format").await;
    let huge = json!({"file_name": "a.mp4", "size_bytes": 60_u64 << 30});
    problem(post(huge.to_string().into_bytes()).await, 413, "file-too-large").await;
    let register = |body: Value| client.post(format!("{api}/auth/register")).json(&body).send();
    let weak = register(json!({"name": "x", "email": "x@example.com", "password": "short"})).await.unwrap();
    problem(weak, 422, "validation-failed").await;
    let taken = json!({"name": "x", "email": ada.email, "password": "correct horse battery"});
    problem(register(taken).await.unwrap(), 409, "email-taken").await;
    let wrong = json!({"email": ada.email, "password": "not the password"});
    let answer = client.post(format!("{api}/auth/login")).json(&wrong).send().await.unwrap();
    problem(answer, 401, "invalid-credentials").await;
}

async fn tokens(api: &str, client: &reqwest::Client, ada: &User) {
    let claims = json!({"iss": "framelift", "aud": "framelift", "sub": "018bcfe5-6800-7707-8707-070707070707",
        "exp": 4_000_000_000_u32, "iat": 1_700_000_000});
    let signature = ada.token.rsplit_once('.').unwrap().1;
    let (unsigned, _) = ada.token.rsplit_once('.').unwrap();
    // One character in the middle of the signature.
    let middle = ada.token.len() - 40;
    let other = if ada.token[middle..].starts_with('A') { "B" } else { "A" };
    let mut changed = ada.token.clone();
    changed.replace_range(middle..=middle, other);
    for token in [
        String::new(),
        "garbage".to_owned(),
        forged(&json!({"alg": "none"}), &claims, ""),
        forged(&json!({"alg": "EdDSA"}), &claims, signature),
        forged(&json!({"alg": "HS256"}), &claims, "c2lnbmVk"),
        format!("{unsigned}."),
        changed,
        ada.refresh_token.clone(),
    ] {
        let answer = client.get(format!("{api}/videos")).bearer_auth(&token).send().await.unwrap();
        assert!(answer.headers().contains_key("www-authenticate"), "{token}");
        problem(answer, 401, "unauthenticated").await;
    }
    let answer = client.get(format!("{api}/videos")).send().await.unwrap();
    problem(answer, 401, "unauthenticated").await;
}

async fn other_peoples_videos(ada: &User, bob: &User) {
    let created = ada.create("mine.mp4", 1000, json!({})).await;
    let id = created["id"].as_str().unwrap();
    let calls = [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/download"),
        (Method::POST, "/complete"),
        (Method::POST, "/cancel"),
        (Method::GET, "/upload-parts"),
    ];
    for (method, what) in calls {
        let answer = bob.send(method.clone(), &format!("/videos/{id}{what}"), None).await;
        problem(answer, 403, "video-not-owned").await;
        let unknown = "018bcfe5-6800-7707-8707-070707070707";
        let answer = bob.send(method.clone(), &format!("/videos/{unknown}{what}"), None).await;
        problem(answer, 404, "video-not-found").await;
        let answer = bob.send(method, &format!("/videos/nonsense{what}"), None).await;
        problem(answer, 404, "video-not-found").await;
    }
    assert_eq!(bob.expect(Method::GET, "/videos", None, 200).await["items"], json!([]));
    ada.expect(Method::DELETE, &format!("/videos/{id}"), None, 204).await;
}

async fn uploads(stack: &Stack, ada: &User) {
    // Nothing came.
    let created = ada.create("a.mp4", 1000, json!({})).await;
    let path = format!("/videos/{}", created["id"].as_str().unwrap());
    problem(ada.send(Method::POST, &format!("{path}/complete"), None).await, 409, "upload-incomplete").await;
    problem(ada.send(Method::GET, &format!("{path}/download"), None).await, 400, "processing-not-finished")
        .await;
    ada.expect(Method::POST, &format!("{path}/cancel"), None, 202).await;
    // A lost answer may be asked for again.
    ada.expect(Method::POST, &format!("{path}/cancel"), None, 202).await;
    let late = ada.send(Method::POST, &format!("{path}/complete"), None).await;
    problem(late, 409, "processing-already-finished").await;
    // Another size than was declared, past the signed URL, as an operator's mistake might do it.
    let created = ada.create("b.mp4", 1000, json!({})).await;
    let id = created["id"].as_str().unwrap();
    let info = stack.info();
    let key = created["upload"]["url"].as_str().unwrap().split('?').next().unwrap();
    let key = key.split_once(&format!("/{}/", info.bucket)).unwrap().1.to_owned();
    let s3 = framelift_e2e::cloud::s3(&info);
    s3.put_object().bucket(&info.bucket).key(&key).body(vec![0; 999].into()).send().await.unwrap();
    problem(ada.send(Method::POST, &format!("/videos/{id}/complete"), None).await, 409, "upload-incomplete")
        .await;
    assert!(s3.head_object().bucket(&info.bucket).key(&key).send().await.is_err(), "it was kept");
    ada.expect(Method::DELETE, &format!("/videos/{id}"), None, 204).await;
    // Through the API itself.
    let url = format!("{}/videos/upload", info.api);
    let post = |url: String| stack.client().post(url).bearer_auth(&ada.token);
    let answer = post(format!("{url}?file_name=x.exe")).body("x").send().await.unwrap();
    problem(answer, 415, "unsupported-file-format").await;
    let answer = post(url.clone()).body("x").send().await.unwrap();
    assert!(answer.status().is_client_error());
    let answer = post(format!("{url}?file_name=x.mp4")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "an empty file");
    // The same idempotency key, the same answer; another body, a refusal.
    let keyed = |size: u32| {
        stack
            .client()
            .post(format!("{}/videos", info.api))
            .bearer_auth(&ada.token)
            .header("idempotency-key", "key-1")
            .json(&json!({"file_name": "k.mp4", "size_bytes": size}))
            .send()
    };
    let first: Value = keyed(10).await.unwrap().json().await.unwrap();
    let second: Value = keyed(10).await.unwrap().json().await.unwrap();
    assert_eq!(first["id"], second["id"]);
    problem(keyed(11).await.unwrap(), 422, "idempotency-key-reused").await;
    ada.expect(Method::DELETE, &format!("/videos/{}", first["id"].as_str().unwrap()), None, 204).await;
}

async fn workers_only(stack: &Stack, ada: &User) {
    let api = stack.info().api;
    let claim = format!("{api}/internal/jobs/018bcfe5-6800-7707-8707-070707070707/claim");
    let body = json!({"worker_id": "w"});
    for request in [stack.client().post(&claim), stack.client().post(&claim).bearer_auth(&ada.token)] {
        let answer = request.json(&body).send().await.unwrap();
        assert!([401, 403].contains(&answer.status().as_u16()));
    }
    let secrets: Value =
        serde_json::from_slice(&std::fs::read(stack.data().join("secrets.json")).unwrap()).unwrap();
    let worker = secrets["worker_token"].as_str().unwrap();
    let answer = stack.client().post(&claim).bearer_auth(worker).json(&body).send().await.unwrap();
    problem(answer, 404, "video-not-found").await;
    // And a worker's credential is no user's token.
    let answer = stack.client().get(format!("{api}/videos")).bearer_auth(worker).send().await.unwrap();
    problem(answer, 401, "unauthenticated").await;
    // A report of an attempt that is not the current one.
    let created = ada.create("c.mp4", 1000, json!({})).await;
    let id = created["id"].as_str().unwrap();
    let report = json!({"attempt": 7, "worker_id": "w", "code": "internal", "message": "x"});
    let answer = stack.client().post(format!("{api}/internal/jobs/{id}/fail"));
    let answer = answer.bearer_auth(worker).json(&report).send().await.unwrap();
    problem(answer, 409, "stale-attempt").await;
    ada.expect(Method::DELETE, &format!("/videos/{id}"), None, 204).await;
}
