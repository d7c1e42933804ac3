//! JSON and queries are read strictly, and what is wrong is said in words of JSON.

use super::*;

#[test]
fn bodies_are_read_strictly() {
    let change = |body: &[u8]| call("PATCH", "/things/7", &[("x-correlation-id", b"c-1")], body);
    assert_eq!(change(br#"{"name":"x","sizes":[1,2],"inner":{"deep":true}}"#).status(), StatusCode::OK);
    for malformed in [
        b"".as_slice(),
        b"  ",
        b"{",
        b"{\"name\":\"x\"",
        b"{\"name\":\"x\"} x",
        b"name=x",
        b"{'name':'x'}",
        b"\xff\xfe",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":1,}",
        b"{\"sizes\":[1,2}",
        b"\xef\xbb\xbf{}",
        b"nul",
    ] {
        assert_eq!(code(&change(malformed)), "malformed-json", "{}", String::from_utf8_lossy(malformed));
    }
    let pointers = |body: &str| -> Vec<String> {
        let response = change(body.as_bytes());
        assert_eq!(code(&response), "validation-failed", "{body}");
        let problem: framelift_contract::problem::Problem = serde_json::from_slice(response.body()).unwrap();
        problem.errors.into_iter().map(|error| error.pointer).collect()
    };
    for (body, pointer) in [
        ("{}", "/name"),
        ("null", ""),
        ("1e400", ""),
        ("\"x\"", ""),
        (r#"{"name":1}"#, "/name"),
        (r#"{"name":null}"#, "/name"),
        (r#"{"name":"x","name":"y"}"#, "/name"),
        (r#"{"name":"x","extra":1}"#, "/extra"),
        (r#"{"name":"x","a/b~c":1}"#, "/a~1b~0c"),
        (r#"{"name":"x","sizes":[1,256]}"#, "/sizes/1"),
        (r#"{"name":"x","sizes":[1,-1]}"#, "/sizes/1"),
        (r#"{"name":"x","inner":{}}"#, "/inner/deep"),
        (r#"{"name":"x","inner":{"deep":true,"deeper":1}}"#, "/inner/deeper"),
        (r#"{"name":"x","inner":{"deep":"yes"}}"#, "/inner/deep"),
        (r#"{"name":"x","inner":{"deep":true,"deep":true}}"#, "/inner/deep"),
        ("[]", ""),
        (r#"["x",[1],{"deep":true}]"#, ""),
        (r#"{"name":"x","inner":[true]}"#, "/inner"),
    ] {
        if body == "1e400" {
            // A number that no float holds is refused as JSON already.
            assert_eq!(change(body.as_bytes()).status().as_u16() / 100, 4);
            continue;
        }
        assert_eq!(pointers(body), [pointer], "{body}");
    }
    insta::assert_json_snapshot!("unknown_field", shown(&change(br#"{"name":"x","extra":1}"#)));
    // As deep as a body can be: refused, without exhausting the stack.
    assert_eq!(change("[".repeat(60_000).as_bytes()).status(), StatusCode::BAD_REQUEST);
    let deep = format!("{{\"name\":\"x\",\"inner\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(change(deep.as_bytes()).status().as_u16() / 100, 4);
}

/// One of each kind of value that a body may have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Kinds {
    flag: Option<bool>,
    byte: u8,
    long: i64,
    ratio: f64,
    number: Option<serde_json::Number>,
    text: String,
    list: Vec<Inner>,
    pair: (u8, String),
    config: serde_json::Map<String, Value>,
    anything: Value,
    newtype: Option<Newtype>,
    kind: Option<framelift_contract::message::NoticeKind>,
    user: Option<UserId>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read, and looked at only as a whole")]
struct Newtype(Inner);

#[test]
fn a_wrong_value_is_described_in_words_of_json() {
    let refused = |body: &str| {
        let failure = parse_json::<Kinds>(body.as_bytes()).unwrap_err();
        let response = failure.into_response(&"c-1".parse().unwrap());
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let mut problem: framelift_contract::problem::Problem =
            serde_json::from_slice(response.body()).unwrap();
        let error = problem.errors.remove(0);
        format!("{}: {}", error.pointer, error.detail)
    };
    for (body, told) in [
        ("[]", ": expected an object"),
        ("7", ": expected an object"),
        ("null", ": expected an object"),
        (r#""{}, expected u8""#, ": expected an object"),
        (r#"{"flag":"yes"}"#, "/flag: expected true or false"),
        (r#"{"byte":"1"}"#, "/byte: expected an integer"),
        (r#"{"byte":1.5}"#, "/byte: expected an integer"),
        (r#"{"byte":256}"#, "/byte: expected an integer from 0 to 255"),
        (r#"{"byte":-1}"#, "/byte: expected an integer from 0 to 255"),
        (r#"{"long":null}"#, "/long: expected an integer"),
        (
            r#"{"long":9223372036854775808}"#,
            "/long: expected an integer from -9223372036854775808 to 9223372036854775807",
        ),
        (r#"{"ratio":"1"}"#, "/ratio: expected a number"),
        (r#"{"number":[]}"#, "/number: expected a number"),
        (r#"{"text":{"a":"secret"}}"#, "/text: expected a string"),
        (r#"{"text":[]}"#, "/text: expected a string"),
        (r#"{"list":{}}"#, "/list: expected an array"),
        (r#"{"list":[{"deep":true},[true]]}"#, "/list/1: expected an object"),
        (r#"{"list":[{"deep":1}]}"#, "/list/0/deep: expected true or false"),
        (r#"{"list":[{}]}"#, "/list/0/deep: missing field `deep`"),
        (r#"{"pair":[1]}"#, "/pair: expected an array"),
        (r#"{"pair":"1"}"#, "/pair: expected an array"),
        (r#"{"config":[]}"#, "/config: expected an object"),
        (r#"{"newtype":[true]}"#, "/newtype: expected an object"),
        (r#"{"newtype":true}"#, "/newtype: expected an object"),
        (
            r#"{"kind":"later"}"#,
            "/kind: expected one of `failed`, `completed`, `expired`, `webhook`, `password_reset`, `email_verification`",
        ),
        (r#"{"kind":{"completed":null}}"#, "/kind: expected a string"),
        (r#"{"kind":1}"#, "/kind: expected a string"),
        (r#"{"user":1}"#, "/user: expected a string"),
        (r#"{"user":"x"}"#, "/user: not a well-formed user id"),
    ] {
        assert_eq!(refused(body), told, "{body}");
    }
    let good = r#"{"flag":null,"byte":1,"long":-1,"ratio":1,"number":1.5,"text":"\u00e9","list":[{"deep":true}],
        "pair":[1,"a"],"config":{"a":[1,{}]},"anything":[[],{}],"newtype":{"deep":false},"kind":"failed",
        "user":"00000000-0000-7000-8000-000000000001"}"#;
    insta::assert_debug_snapshot!(parse_json::<Kinds>(good.as_bytes()).unwrap());
}

#[test]
fn an_array_is_not_accepted_as_an_object() {
    use framelift_contract::{account::LoginRequest, options::OptionsBody, video::CreateVideoRequest};
    assert!(parse_json::<LoginRequest>(br#"{"email":"a@b","password":"pw"}"#).is_ok());
    assert!(parse_json::<LoginRequest>(br#"["a@b","pw"]"#).is_err());
    assert!(parse_json::<CreateVideoRequest>(br#"["a.mp4",5]"#).is_err());
    assert!(
        parse_json::<CreateVideoRequest>(br#"{"file_name":"a.mp4","size_bytes":5,"options":[]}"#).is_err()
    );
    assert!(parse_json::<OptionsBody>(br#"{"range":["0s","50%"]}"#).is_err());
    assert!(parse_json::<OptionsBody>(br#"{"range":{"start":"0s","end":"50%"}}"#).is_ok());
}

#[test]
fn an_integer_may_be_spelled_with_a_point() {
    use framelift_contract::video::CreateVideoRequest;
    let size = |size: &str| {
        let body = format!(r#"{{"file_name":"a.mp4","size_bytes":{size}}}"#);
        parse_json::<CreateVideoRequest>(body.as_bytes()).map(|request| request.size_bytes).ok()
    };
    for (spelled, read) in [("5", 5), ("5.0", 5), ("-1.0", -1), ("5e2", 500), ("9007199254740992.0", 1 << 53)]
    {
        assert_eq!(size(spelled), Some(read), "{spelled}");
    }
    for bad in ["5.5", "1e30", "-1e17", "null", "true", "\"5\"", "[5]"] {
        assert_eq!(size(bad), None, "{bad}");
    }
}

#[test]
fn queries_are_read_strictly() {
    let page = |query: &str| call("GET", &format!("/page{query}"), &[], "");
    assert_eq!(shown(&page("?limit=100&status=a%20b"))["body"], json!({ "limit": 100, "status": "a b" }));
    assert_eq!(shown(&page(""))["body"], json!({ "limit": 20, "status": null }));
    for (query, status) in [
        ("?status=%C3%A9+%2B&&", "é +"),
        // A replacement character that the client sent is as good as any other.
        ("?status=%ef%bf%bd", "\u{fffd}"),
        ("?st%61tus=a=b%", "a=b%"),
        ("?status", ""),
    ] {
        assert_eq!(shown(&page(query))["body"]["status"], status, "{query}");
    }
    for (query, pointer) in [
        ("?limit=0", "?limit"),
        ("?limit=101", "?limit"),
        ("?limit=", "?limit"),
        ("?limit=ten", "?limit"),
        ("?limit=-1", "?limit"),
        ("?limit=99999999999999999999", "?limit"),
        ("?limit=1&limit=2", "?limit"),
        ("?offset=1", "?offset"),
        ("?status=%ff.mp4", "?status"),
        ("?status=%c3%28", "?status"),
        ("?status=%ed%a0%80", "?status"),
        ("?%ff=1", "?\u{fffd}"),
    ] {
        let response = page(query);
        assert_eq!(code(&response), "validation-failed", "{query}");
        assert_eq!(shown(&response)["body"]["errors"][0]["pointer"], pointer, "{query}");
    }
}

proptest! {
    #[test]
    fn no_json_panics(body in "[{}\\[\\]\",:0-9a-z\\\\ .eE+-]{0,80}") {
        let _ = parse_json::<Thing>(body.as_bytes());
        let _ = parse_json::<Kinds>(body.as_bytes());
        let _ = parse_json::<framelift_contract::account::UpdateAccountRequest>(body.as_bytes());
    }
}
