//! The guest that the edge host's tests drive: each path does one thing that a test looks at.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use spin_sdk::experimental::wasi::keyvalue::{atomics, batch, store};
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{BoxBody, EmptyBody, FullBody, Request, Response, box_body};
use spin_sdk::{http_service, key_value, variables};

/// How many requests this instance has begun.
static REQUESTS: AtomicU32 = AtomicU32::new(0);

type Answer = anyhow::Result<Response<BoxBody>>;

#[http_service]
async fn handle(request: Request) -> Answer {
    let count = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
    // A chained request keeps the caller's path, a routed one is below the route; `x-do` is for
    // routes that leave nothing.
    let path = match header(&request, "x-do") {
        asked if !asked.is_empty() => asked,
        _ => header(&request, "spin-path-info"),
    };
    let method = request.method().as_str().to_owned();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["hello"]) => text(200, "hello"),
        ("GET", ["count"]) => text(200, count.to_string()),
        ("GET", ["headers"]) => headers(&request),
        ("POST", ["echo"]) => Ok(Response::new(box_body(request.into_body()))),
        ("GET", ["log"]) => {
            say("a line from the guest");
            text(200, "logged")
        }
        ("GET", ["panic"]) => panic!("asked to"),
        ("GET", ["fail"]) => Err(anyhow::anyhow!("asked to")),
        ("GET", ["var", name]) => variable(name).await,
        ("GET", ["env", name]) => text(200, std::env::var(name).unwrap_or_default()),
        ("GET" | "POST", ["fetch"]) => fetch(request).await,
        (method, ["kv", label]) => keys(method, label).await,
        (method, ["kv", label, key]) => {
            let body = request.into_body().bytes().await?;
            one_key(method, label, key, &body).await
        }
        ("POST", ["create", label, key]) => {
            let body = request.into_body().bytes().await?;
            create(label, key, &body)
        }
        ("POST", ["add", label, key, id]) => add(label, key, id),
        ("POST", ["swaps", label, key, times]) => swaps(label, key, times.parse()?),
        ("POST", ["holds", label, times]) => holds(label, times.parse()?).await,
        ("POST", ["increment", label, key]) => {
            let bucket = bucket(label)?;
            match atomics::increment(&bucket, key, 1) {
                Ok(number) => text(200, number.to_string()),
                Err(error) => text(500, format!("{error:?}")),
            }
        }
        ("POST", ["many", label]) => {
            let body = request.into_body().bytes().await?;
            many(label, &String::from_utf8(body.to_vec())?)
        }
        _ => text(404, "the guest has no such path"),
    }
}

#[expect(clippy::print_stdout, reason = "the host is to log it")]
fn say(line: &str) {
    println!("{line}");
}

fn text(status: u16, body: impl Into<Bytes>) -> Answer {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .body(box_body(FullBody::new(body.into())))?)
}

/// The last value of a header: the host's own come after a client's.
fn header(request: &Request, name: &str) -> String {
    let value = request.headers().get_all(name).iter().next_back();
    value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn headers(request: &Request) -> Answer {
    let lines = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    text(200, lines.collect::<String>())
}

async fn variable(name: &str) -> Answer {
    match variables::get(name).await {
        Ok(value) => text(200, value),
        Err(error) => text(500, format!("{error:?}")),
    }
}

/// Sends the request on to the address in `x-url`, body and all, and streams the answer back.
async fn fetch(request: Request) -> Answer {
    let mut outgoing = Request::builder().method(request.method().clone()).uri(header(&request, "x-url"));
    if let Some(value) = request.headers().get("x-pass") {
        outgoing = outgoing.header("x-pass", value);
    }
    let body =
        if request.method() == "GET" { box_body(EmptyBody::new()) } else { box_body(request.into_body()) };
    let answer = spin_sdk::http::send(outgoing.body(body)?).await;
    match answer {
        Ok(answer) => {
            let status = answer.status();
            Ok(Response::builder().status(status).body(box_body(answer.into_body()))?)
        }
        Err(error) => text(502, format!("{error:?}")),
    }
}

async fn keys(method: &str, label: &str) -> Answer {
    let store = match key_value::Store::open(label).await {
        Ok(store) => store,
        Err(error) => return text(403, format!("{error:?}")),
    };
    match method {
        "GET" => {
            let mut keys = store.get_keys().await.collect().await?;
            keys.sort();
            text(200, keys.join("\n"))
        }
        _ => text(405, "only GET"),
    }
}

async fn one_key(method: &str, label: &str, key: &str, body: &[u8]) -> Answer {
    let store = match key_value::Store::open(label).await {
        Ok(store) => store,
        Err(error) => return text(403, format!("{error:?}")),
    };
    match method {
        "GET" => match store.get(key).await? {
            Some(value) => text(200, value),
            None => text(404, "no such key"),
        },
        "HEAD" => text(if store.exists(key).await? { 200 } else { 404 }, ""),
        "PUT" => {
            store.set(key, body).await?;
            text(204, "")
        }
        "DELETE" => {
            store.delete(key).await?;
            text(204, "")
        }
        _ => text(405, "GET, HEAD, PUT or DELETE"),
    }
}

fn bucket(label: &str) -> anyhow::Result<store::Bucket> {
    store::open(label).map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// Creates a key once: 201 for the one who did, 409 for everybody else.
fn create(label: &str, key: &str, value: &[u8]) -> Answer {
    let bucket = bucket(label)?;
    let cas = atomics::Cas::new(&bucket, key).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    if cas.current().map_err(|error| anyhow::anyhow!("{error:?}"))?.is_some() {
        return text(409, "it is there");
    }
    match atomics::swap(cas, value) {
        Ok(()) => text(201, ""),
        Err(atomics::CasError::CasFailed(fresh)) => {
            let now = fresh.current().map_err(|error| anyhow::anyhow!("{error:?}"))?;
            text(409, now.unwrap_or_default())
        }
        Err(atomics::CasError::StoreError(error)) => text(500, format!("{error:?}")),
    }
}

/// Adds one under a compare-and-swap loop. The value carries the ids of its writers, so that a
/// conflict reported although the write landed is not written twice.
fn add(label: &str, key: &str, id: &str) -> Answer {
    let bucket = bucket(label)?;
    let failed = |error: store::Error| anyhow::anyhow!("{error:?}");
    let mut cas = atomics::Cas::new(&bucket, key).map_err(failed)?;
    for attempt in 1..=10_000 {
        let now = cas.current().map_err(failed)?.unwrap_or_default();
        let now = String::from_utf8(now)?;
        let mut ids: Vec<&str> = now.split(',').filter(|id| !id.is_empty()).collect();
        if ids.contains(&id) {
            return text(200, attempt.to_string());
        }
        ids.push(id);
        match atomics::swap(cas, ids.join(",").as_bytes()) {
            Ok(()) => return text(200, attempt.to_string()),
            Err(atomics::CasError::CasFailed(fresh)) => cas = fresh,
            Err(atomics::CasError::StoreError(error)) => return text(500, format!("{error:?}")),
        }
    }
    text(503, "it never worked")
}

/// Writes the numbers up to `times`, each by a swap, beside one that is begun and dropped.
fn swaps(label: &str, key: &str, times: u32) -> Answer {
    for number in 1..=times {
        let bucket = bucket(label)?;
        let begun =
            atomics::Cas::new(&bucket, "other").map(drop).and_then(|()| atomics::Cas::new(&bucket, key));
        let cas = match begun {
            Ok(cas) => cas,
            Err(error) => return text(500, format!("{number}: {error:?}")),
        };
        cas.current().map_err(|error| anyhow::anyhow!("{error:?}"))?;
        atomics::swap(cas, number.to_string().as_bytes()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    text(200, times.to_string())
}

/// Has so many stores open at the same time.
async fn holds(label: &str, times: u32) -> Answer {
    let mut held = Vec::new();
    for number in 1..=times {
        match key_value::Store::open(label).await {
            Ok(store) => held.push(store),
            Err(error) => return text(500, format!("{number}: {error:?}")),
        }
    }
    text(200, held.len().to_string())
}

fn many(label: &str, keys: &str) -> Answer {
    let bucket = bucket(label)?;
    let keys: Vec<String> = keys.lines().map(str::to_owned).collect();
    let rows = batch::get_many(&bucket, &keys).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let lines = rows.into_iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={}\n", String::from_utf8_lossy(&value)),
        None => format!("{key} is missing\n"),
    });
    text(200, lines.collect::<String>())
}
