//! Tokens of users and of workers.

use super::*;

#[test]
fn users_and_workers_are_told_apart() {
    let now = Time::from_unix_ms(1_700_000_000_000);
    let token = signer().issue(UserId::new(1, [1; 10]), "ada@example.com", "t-1", None, now).unwrap();
    let get = |path: &str, authorization: &str| {
        call("GET", path, &[("authorization", authorization.as_bytes())], "")
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(get("/user", &format!("{scheme} {token}")).status(), StatusCode::OK);
    }
    assert_eq!(get("/worker", &format!("Bearer {SECRET}")).status(), StatusCode::NO_CONTENT);
    for (path, authorization) in [
        ("/user", format!("Bearer {SECRET}")),
        ("/worker", format!("Bearer {token}")),
        ("/worker", format!("Bearer {SECRET}x")),
        ("/worker", format!("Bearer {}", &SECRET[1..])),
        ("/worker", "Bearer ".to_owned()),
        ("/worker", SECRET.to_owned()),
        ("/user", format!("Basic {token}")),
        ("/user", token.clone()),
        ("/user", "Bearer é".to_owned()),
    ] {
        let response = get(path, &authorization);
        assert_eq!(code(&response), "unauthenticated", "{path} {authorization}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"framelift\"");
    }
    assert_eq!(code(&call("GET", "/user", &[], "")), "unauthenticated");
    let twice = format!("Bearer {token}");
    let twice = [("authorization", twice.as_bytes()), ("authorization", twice.as_bytes())];
    assert_eq!(code(&call("GET", "/user", &twice, "")), "unauthenticated");
}

#[test]
fn a_worker_token_is_a_secret() {
    assert!(WorkerToken::new("short").is_err());
    let (one, other) = ("with-one-space-in-it", "and-long-enough-each");
    let both = WorkerToken::new(&format!("{one} {other}")).unwrap();
    assert!(both.matches(one) && both.matches(other) && !both.matches(&format!("{one} {other}")));
    for bad in
        [format!("{one} short"), format!("{one}  {other}"), format!("{one} {other} {one}"), String::new()]
    {
        assert!(WorkerToken::new(&bad).is_err(), "{bad}");
    }
    assert_eq!(format!("{:?}", WorkerToken::new(SECRET).unwrap()), "WorkerToken(redacted)");
}
