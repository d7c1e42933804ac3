//! Errors in options have the same pointers wherever a request has the options.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::streamed::{FORM, form, post};
use crate::world::World;

/// Invalid options, and the pointers of their errors.
const BAD: &[(&str, &[&str])] = &[
    ("[]", &[""]),
    (r#"{"colour":"red"}"#, &["/colour"]),
    (r#"{"select":"1s"}"#, &["/select"]),
    (r#"{"select":{}}"#, &["/select"]),
    (r#"{"select":{"all":true,"count":2}}"#, &["/select"]),
    (r#"{"select":{"every":1}}"#, &["/select/every"]),
    (r#"{"select":{"every":"0s"}}"#, &["/select/every"]),
    (r#"{"select":{"every":"1234567890s"}}"#, &["/select/every"]),
    (r#"{"select":{"fps":"1"}}"#, &["/select/fps"]),
    (r#"{"select":{"fps":0}}"#, &["/select/fps"]),
    (r#"{"select":{"count":1.5}}"#, &["/select/count"]),
    (r#"{"select":{"count":0}}"#, &["/select/count"]),
    (r#"{"select":{"at":"1s"}}"#, &["/select/at"]),
    (r#"{"select":{"at":[]}}"#, &["/select/at"]),
    (r#"{"select":{"at":["1s",2]}}"#, &["/select/at/1"]),
    (r#"{"select":{"at":["x","1s","101%"]}}"#, &["/select/at/0", "/select/at/2"]),
    (r#"{"select":{"keyframes":false}}"#, &["/select/keyframes"]),
    (r#"{"select":{"all":1}}"#, &["/select/all"]),
    (r#"{"select":{"scenes":{"threshold":2,"max":0}}}"#, &["/select/scenes/threshold", "/select/scenes/max"]),
    (r#"{"select":{"scenes":{"most":2}}}"#, &["/select/scenes/most"]),
    (r#"{"range":["0s","1s"]}"#, &["/range"]),
    (r#"{"range":{"start":"x","end":"1s"}}"#, &["/range/start"]),
    (r#"{"range":{"start":"2s","end":"1s"}}"#, &["/range/end"]),
    (r#"{"range":{"end":"0%"}}"#, &["/range/end"]),
    (r#"{"tolerance":1}"#, &["/tolerance"]),
    (r#"{"tolerance":"-1s"}"#, &["/tolerance"]),
    (r#"{"format":"gif"}"#, &["/format"]),
    (r#"{"quality":"90"}"#, &["/quality"]),
    (r#"{"quality":101}"#, &["/quality"]),
    (r#"{"resize":{}}"#, &["/resize"]),
    (
        r#"{"resize":{"width":0,"height":99999,"fit":"x"}}"#,
        &["/resize/width", "/resize/height", "/resize/fit"],
    ),
    (r#"{"storyboard":"yes"}"#, &["/storyboard"]),
    (r#"{"plugins":{}}"#, &["/plugins"]),
    (r#"{"plugins":[{"name":""}]}"#, &["/plugins/0/name"]),
    (r#"{"plugins":[{"name":"watermark"}]}"#, &["/plugins/0/config"]),
    (r#"{"plugins":[{"name":"grayscale"},{"name":"nobodys"}]}"#, &["/plugins/1/name"]),
];

#[tokio::test]
async fn errors_are_pointed_to_alike_everywhere() {
    let world = World::new();
    let id = world.uploaded(1).await;
    for (options, wrong) in BAD {
        let pointers = |prefix: &str| {
            let pointers: Vec<String> = wrong.iter().map(|path| format!(" {prefix}{path}")).collect();
            format!("422 validation-failed{}", pointers.concat())
        };
        let new = format!(r#"{{"file_name":"a.mp4","size_bytes":1,"options":{options}}}"#);
        let answer = world.post("/videos").user(1).body(new).send().await;
        assert_eq!(answer.short(), pointers("/options"), "{options}");
        let run = world.post(&format!("/videos/{id}/runs")).user(1);
        let answer = run.body(format!(r#"{{"options":{options}}}"#)).send().await;
        assert_eq!(answer.short(), pointers("/options"), "{options} in a run");
        let fields = [("options", None, options.as_bytes()), ("file", Some("a.mp4"), b"x".as_slice())];
        let answer = post(&world, "", FORM, form(&fields), false).await;
        assert_eq!(answer.short(), pointers("/options"), "{options} in a form");
        let query = format!("?file_name=a.mp4&options={}", utf8_percent_encode(options, NON_ALPHANUMERIC));
        let answer = post(&world, &query, None, vec!["x".into()], false).await;
        assert_eq!(answer.short(), pointers("?options"), "{options} in a query");
    }
}
