//! A message of the job queue: what is understood is written again as it was.

#![no_main]

use framelift_contract::message::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(message) = Message::parse(text) {
        let again = serde_json::to_string(&message).expect("a message is JSON");
        assert_eq!(Message::parse(&again).ok(), Some(message));
    }
});
