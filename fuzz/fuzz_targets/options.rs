//! The options of a job as JSON: what is accepted is accepted again when it is written.

#![no_main]

use framelift_contract::options::OptionsBody;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(body) = serde_json::from_str::<OptionsBody>(text) else { return };
    let Ok(options) = body.check_new("") else { return };
    let written = serde_json::to_string(&OptionsBody::spelled_out(&options)).expect("options are JSON");
    let again: OptionsBody = serde_json::from_str(&written).expect("our own JSON");
    assert_eq!(again.check_new("").ok(), Some(options), "{written}");
});
