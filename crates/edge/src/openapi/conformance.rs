//! Checks answers against the API document; for tests.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use framelift_contract::problem::{Problem, ProblemCode};
use http::{HeaderMap, Method, StatusCode};

use super::{Operation, operations};
use crate::http::{Found, Route, Router};

/// An operation's id and a problem's code.
pub type Pair = (&'static str, &'static str);

static INDEX: LazyLock<(Vec<Operation>, Option<Router>)> = LazyLock::new(|| {
    let operations = operations();
    let routes: Vec<Route> = operations.iter().map(|operation| operation.route().clone()).collect();
    let router = Router::new(&routes).ok();
    (operations, router)
});

/// The operation that a request means; none if it has no route.
pub fn operation(method: &Method, path: &str) -> Option<&'static Operation> {
    let (operations, router) = &*INDEX;
    match router.as_ref()?.find(method, path) {
        Ok(Found::Endpoint(position, _)) => operations.get(position),
        _ => None,
    }
}

/// Checks the security headers of an answer: a rule for caches, no MIME sniffing, CSP `default-src 'none'`, no
/// framing, no referrer. A page's policy may name what it loads.
pub fn check_security_headers(headers: &HeaderMap) -> Result<(), String> {
    let policy = headers.get("content-security-policy").and_then(|policy| policy.to_str().ok()).unwrap_or("");
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    let has = |name: &str, value: &str| headers.get(name).is_some_and(|it| it == value);
    let good = has("x-content-type-options", "nosniff")
        && has("referrer-policy", "no-referrer")
        && headers.contains_key("cache-control")
        && ["default-src 'none'", "frame-ancestors 'none'"].iter().all(|one| directives.contains(one))
        && !policy.contains("unsafe");
    if good { Ok(()) } else { Err(format!("the answer lacks a security header: {headers:?}")) }
}

/// The operation and the problem of an answer, if it is one; an error if the document does not have it.
pub fn check(method: &Method, path: &str, status: StatusCode, body: &[u8]) -> Result<Option<Pair>, String> {
    let Some(operation) = operation(method, path) else { return Ok(None) };
    let id = operation.id();
    if !status.is_client_error() && !status.is_server_error() {
        let known = operation.statuses().any(|known| known == status);
        return if known { Ok(None) } else { Err(format!("{id} answered {status}, undocumented")) };
    }
    // HEAD has no body to look at.
    if *method == Method::HEAD {
        return Ok(None);
    }
    let problem: Problem =
        serde_json::from_slice(body).map_err(|error| format!("{id}: {status}: {error}"))?;
    if operation.problems().contains(&problem.code) {
        Ok(Some((id, problem.code.as_str())))
    } else {
        Err(format!("{id} answered {}, undocumented: {}", problem.code.as_str(), problem.detail))
    }
}

/// Every documented problem of every operation of these components.
pub fn documented(components: &[&str]) -> BTreeSet<Pair> {
    let of_component = super::COMPONENTS.iter().filter(|component| components.contains(&component.name));
    let pairs = |operation: &Operation| -> Vec<Pair> {
        let codes: &[ProblemCode] = operation.problems();
        codes.iter().map(|code| (operation.id(), code.as_str())).collect()
    };
    of_component
        .flat_map(|component| (component.operations)())
        .flat_map(|operation| pairs(&operation))
        .collect()
}
