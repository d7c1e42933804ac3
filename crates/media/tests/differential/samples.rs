//! Public videos, made by other programs than ours.

use crate::clips::Clips;

const CASES: &[&str] = &[
    r#"{"select":{"every":"1.5s"}}"#,
    r#"{"select":{"fps":2},"range":{"start":"30%","end":"50%"}}"#,
    r#"{"select":{"count":5}}"#,
    r##"{"select":{"at":["4.7s","0.2s","#30","50%","#0","33.3%"]}}"##,
    r#"{"select":{"keyframes":true}}"#,
    r##"{"select":{"all":true},"range":{"start":"2s","end":"#60"}}"##,
    r#"{"select":{"every":"3s"},"tolerance":"500ms"}"#,
];

#[test]
fn big_buck_bunny() {
    Clips::new().sample("big-buck-bunny-5s.mp4", CASES).check();
}

#[test]
fn cars() {
    Clips::new().sample("cars-30s.mp4", CASES).check();
}

/// Two video streams; the larger one comes second.
#[test]
fn nasa() {
    Clips::new().sample("nasa-13s.mp4", CASES).check();
}
