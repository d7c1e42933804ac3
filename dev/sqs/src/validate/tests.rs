//! Names, bodies, attributes and batches at the edges of what is allowed.

use super::*;
use crate::wire::Blob;

fn with_body(body: &str) -> Outgoing {
    Outgoing { message_body: Some(body.to_owned()), ..Outgoing::default() }
}

fn text(data_type: &str, value: &str) -> AttributeValue {
    AttributeValue {
        data_type: data_type.to_owned(),
        string_value: Some(value.to_owned()),
        binary_value: None,
    }
}

fn code_of(name: &str, value: AttributeValue) -> Option<Code> {
    let mut outgoing = with_body("x");
    outgoing.message_attributes.insert(name.to_owned(), value);
    message(&outgoing).err().map(|error| error.code)
}

fn entries(ids: &[&str]) -> Vec<BatchEntry<Outgoing>> {
    let entry = |id: &&str| BatchEntry { id: Some((*id).to_owned()), item: with_body("x") };
    ids.iter().map(entry).collect()
}

#[test]
fn queue_names() {
    assert!(queue_name("jobs_Dead-letter1").is_ok());
    assert!(queue_name(&"x".repeat(80)).is_ok());
    for bad in ["", "a b", "a/b", "ä", &"x".repeat(81)] {
        assert_eq!(queue_name(bad).unwrap_err().code, Code::InvalidParameterValue);
    }
    let fifo = queue_name("jobs.fifo").unwrap_err();
    assert_eq!(fifo.code, Code::UnsupportedOperation);
}

#[test]
fn bodies() {
    for good in ["x", "\t\r\n", "\u{d7ff}\u{e000}\u{fffd}", "🎞"] {
        assert_eq!(message(&with_body(good)), Ok(()));
    }
    for bad in ["\0", "a\u{8}", "\u{b}", "\u{fffe}", "\u{ffff}"] {
        let error = message(&with_body(bad)).unwrap_err();
        assert_eq!(error.code, Code::InvalidMessageContents);
    }
    let none = message(&Outgoing::default()).unwrap_err();
    assert_eq!(none.code, Code::MissingParameter);
    assert_eq!(message(&with_body("")).unwrap_err().code, Code::MissingParameter);
}

#[test]
fn groups_and_delays() {
    let group = |group: &str| {
        let mut outgoing = with_body("x");
        outgoing.message_group_id = Some(group.to_owned());
        message(&outgoing)
    };
    assert!(group("user-1!~").is_ok());
    assert!(group(&"g".repeat(128)).is_ok());
    for bad in ["", "a b", "ü", &"g".repeat(129)] {
        assert!(group(bad).is_err(), "{bad}");
    }
    for (delay, good) in [(0, true), (900, true), (-1, false), (901, false)] {
        let mut outgoing = with_body("x");
        outgoing.delay_seconds = Some(delay);
        assert_eq!(message(&outgoing).is_ok(), good, "{delay}");
    }
    let mut outgoing = with_body("x");
    outgoing.message_deduplication_id = Some("once".to_owned());
    assert!(message(&outgoing).is_err());
}

#[test]
fn attribute_names_and_values() {
    let bad = Some(Code::InvalidParameterValue);
    for name in ["a", "a.b-c_D9", "Awsome", &"n".repeat(256)] {
        assert_eq!(code_of(name, text("String", "v")), None, "{name}");
    }
    for name in ["", ".a", "a.", "a..b", "a b", "AWS.x", "aws.x", "Amazon.x", &"n".repeat(257)] {
        assert_eq!(code_of(name, text("String", "v")), bad, "{name}");
    }
    assert_eq!(code_of("n", text("Number.int", "-1.5e3")), None);
    assert_eq!(code_of("n", text("Number", "many")), bad);
    assert_eq!(code_of("n", text("Number", "inf")), bad);
    assert_eq!(code_of("s", text("String", "")), bad);
    assert_eq!(code_of("s", text("String", "\0")), bad);
    assert_eq!(code_of("s", text("Date", "today")), bad);
    assert_eq!(code_of("s", text("Binary", "text")), bad);
    let mut binary = text("Binary.png", "");
    binary.string_value = None;
    assert_eq!(code_of("b", binary.clone()), bad);
    binary.binary_value = Some(Blob(vec![0]));
    assert_eq!(code_of("b", binary), None);
}

#[test]
fn no_more_than_ten_attributes() {
    let mut outgoing = with_body("x");
    for n in 0..10 {
        let name = format!("a{n}");
        outgoing.message_attributes.insert(name, text("String", "v"));
    }
    assert_eq!(message(&outgoing), Ok(()));
    outgoing.message_attributes.insert("more".to_owned(), text("String", "v"));
    assert!(message(&outgoing).is_err());
}

#[test]
fn batches() {
    let code = |ids: &[&str]| batch(&entries(ids)).err().map(|error| error.code);
    assert_eq!(code(&["a", "b-_9"]), None);
    assert_eq!(code(&[]), Some(Code::EmptyBatchRequest));
    assert_eq!(code(&["a", "a"]), Some(Code::BatchEntryIdsNotDistinct));
    assert_eq!(code(&["a!"]), Some(Code::InvalidBatchEntryId));
    assert_eq!(code(&[""]), Some(Code::InvalidBatchEntryId));
    let eleven = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    assert_eq!(code(&eleven[..10]), None);
    assert_eq!(code(&eleven), Some(Code::TooManyEntriesInBatchRequest));
}

#[test]
fn batch_sizes_count_bodies_and_attributes() {
    let mut two = entries(&["a", "b"]);
    two[0].item = with_body(&"x".repeat(1 << 19));
    two[1].item = with_body(&"y".repeat(1 << 19));
    assert!(batch_size(&two).is_ok());
    two[1].item.message_attributes.insert("n".to_owned(), text("String", "v"));
    assert_eq!(size(&two[1].item), (1 << 19) + "nStringv".len());
    assert_eq!(batch_size(&two).unwrap_err().code, Code::BatchRequestTooLong);
}

#[test]
fn chooses_the_attributes_asked_for() {
    let all: Attributes = ["one", "trace.id", "trace.parent"]
        .into_iter()
        .map(|name| (name.to_owned(), text("String", "v")))
        .collect();
    let names = |wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        wanted_attributes(all.clone(), &wanted).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), [""; 0]);
    assert_eq!(names(&["All"]), ["one", "trace.id", "trace.parent"]);
    assert_eq!(names(&[".*"]), ["one", "trace.id", "trace.parent"]);
    assert_eq!(names(&["trace.*"]), ["trace.id", "trace.parent"]);
    assert_eq!(names(&["one", "two"]), ["one"]);
}
