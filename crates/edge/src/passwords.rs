//! Component `passwords`: hashes and compares passwords, for component `auth` alone.
//!
//! A hash blocks its instance for 80 ms, so a separate component computes them. The input comes in headers: an instance
//! that awaits a body accepts further requests, which it would then hash one after the other instead of in parallel
//! with other instances.

mod hashing;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

pub use self::hashing::Hashing;
pub(crate) use self::hashing::Verdict;
use crate::http::{Failure, Incoming, Route, Router, RouterOnce, answer, bytes};
use crate::ports::{Ambient, Http, Unavailable};

const HASH_ROUTE: Route = Route::post("/hash");
const VERIFY_ROUTE: Route = Route::post("/verify");

/// The endpoints; no route of `spin.toml` leads here from outside.
const ROUTES: &[Route] = &[HASH_ROUTE, VERIFY_ROUTE];

static ROUTER: RouterOnce = RouterOnce::new(|| Router::new(ROUTES));

/// The address at which `auth` calls this component.
const ORIGIN: &str = "http://passwords.spin.internal";
/// The password, in base64.
const PASSWORD: HeaderName = HeaderName::from_static("x-password");
/// The hash to compare with, a PHC string in base64; missing for an account that does not exist.
const HASH: HeaderName = HeaderName::from_static("x-hash");

/// Answers one request without awaiting anything.
pub async fn serve(hashing: &Hashing, ambient: &impl Ambient, parts: Parts) -> Response<Bytes> {
    let handler = async |endpoint: usize, incoming: &mut Incoming, ()| {
        if ROUTES.get(endpoint) == Some(&HASH_ROUTE) {
            make_hash(hashing, ambient, incoming)
        } else {
            compare(hashing, incoming)
        }
    };
    answer(&ROUTER, ambient, parts, (), handler).await
}

/// `POST /hash`: the hash of a new password.
fn make_hash(
    hashing: &Hashing,
    ambient: &impl Ambient,
    incoming: &Incoming,
) -> Result<Response<Bytes>, Failure> {
    let mut salt = [0; 16];
    ambient.fill_random(&mut salt);
    let hash = hashing.hash(&password(incoming)?, salt)?;
    Ok(plain(hash))
}

/// `POST /verify`: whether a password is the one of a hash.
fn compare(hashing: &Hashing, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
    let password = password(incoming)?;
    let verdict = match text(incoming, &HASH)? {
        Some(hash) => hashing.verify(&password, &hash),
        None => {
            hashing.pretend(&password);
            Verdict::Mismatch
        }
    };
    Ok(plain(verdict.as_str().to_owned()))
}

fn plain(text: String) -> Response<Bytes> {
    bytes(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), text)
}

fn password(incoming: &Incoming) -> Result<String, Failure> {
    let missing = || Failure::new(ProblemCode::BadRequest, "the header x-password is missing");
    text(incoming, &PASSWORD)?.ok_or_else(missing)
}

/// The text of a header in base64.
fn text(incoming: &Incoming, name: &HeaderName) -> Result<Option<String>, Failure> {
    let Some(value) = incoming.header(name)? else { return Ok(None) };
    let text = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let malformed =
        || Failure::new(ProblemCode::BadRequest, format!("the header {name} is not base64 of UTF-8"));
    text.map(Some).ok_or_else(malformed)
}

/// Calls `passwords` to hash a new password.
pub(crate) async fn hash(http: &impl Http, password: &str) -> Result<String, Unavailable> {
    let said = ask(http, "/hash", password, None).await?;
    String::from_utf8(said.to_vec()).map_err(|error| unavailable(error.to_string()))
}

/// Calls `passwords` to compare a password. Without a hash, it takes as long and answers that it is wrong.
pub(crate) async fn verify(
    http: &impl Http,
    password: &str,
    hash: Option<&str>,
) -> Result<Verdict, Unavailable> {
    let said = ask(http, "/verify", password, hash).await?;
    Verdict::of(&said).ok_or_else(|| unavailable("verify answered no verdict".into()))
}

async fn ask(http: &impl Http, path: &str, password: &str, hash: Option<&str>) -> Result<Bytes, Unavailable> {
    let mut request = Request::post(format!("{ORIGIN}{path}")).header(PASSWORD, STANDARD.encode(password));
    if let Some(hash) = hash {
        request = request.header(HASH, STANDARD.encode(hash));
    }
    let request = request.body(Bytes::new()).map_err(|error| unavailable(error.to_string()))?;
    let answer = http.send(request).await?;
    let status = answer.status();
    if status == StatusCode::OK {
        Ok(answer.into_body())
    } else {
        Err(unavailable(format!("{path} answered {status}")))
    }
}

fn unavailable(detail: String) -> Unavailable {
    Unavailable { what: "password check", detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::block_on;
    use crate::store::memory::TestAmbient;

    /// The component, as `auth` reaches it.
    struct Component(Hashing);

    impl Http for Component {
        async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unavailable> {
            Ok(serve(&self.0, &TestAmbient::new(1), request.into_parts().0).await)
        }
    }

    #[test]
    fn a_password_is_hashed_and_compared() {
        block_on(async {
            let component = Component(Hashing::with_cost(8, 1).unwrap());
            let hash = hash(&component, "pässword\r\n and more").await.unwrap();
            assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
            let ask = async |password: &str, hash| verify(&component, password, hash).await.unwrap();
            assert_eq!(ask("pässword\r\n and more", Some(hash.as_str())).await, Verdict::Match);
            assert_eq!(ask("password", Some(hash.as_str())).await, Verdict::Mismatch);
            assert_eq!(ask("password", None).await, Verdict::Mismatch);
            let dearer = Component(Hashing::with_cost(16, 1).unwrap());
            let stale = verify(&dearer, "pässword\r\n and more", Some(&hash)).await.unwrap();
            assert_eq!(stale, Verdict::MatchWithOldCost);
        });
    }

    #[test]
    fn malformed_passwords_are_refused() {
        block_on(async {
            let component = Component(Hashing::with_cost(8, 1).unwrap());
            let status = async |request: http::request::Builder| {
                component.send(request.body(Bytes::new()).unwrap()).await.unwrap().status().as_u16()
            };
            assert_eq!(status(Request::post("/hash")).await, 400);
            assert_eq!(status(Request::post("/verify").header("x-password", "?")).await, 400);
            assert_eq!(status(Request::post("/verify").header("x-password", "/w==")).await, 400);
            assert_eq!(status(Request::get("/hash")).await, 405);
            assert_eq!(status(Request::post("/other")).await, 404);
        });
    }

    #[test]
    fn no_request_awaits_anything() {
        // An instance that waits takes further requests.
        let (parts, ()) =
            Request::post("/hash").header("x-password", "cGFzc3dvcmQ=").body(()).unwrap().into_parts();
        let (hashing, ambient) = (Hashing::with_cost(8, 1).unwrap(), TestAmbient::new(1));
        let answer = futures::FutureExt::now_or_never(serve(&hashing, &ambient, parts));
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}
