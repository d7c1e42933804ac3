//! Fixtures for tests: stored values of every version of the layout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use framelift_domain::{Time, UserId};
use serde_json::{Value, json};

use super::memory::MemoryKv;

/// Keys with their values.
pub(crate) type Dump = BTreeMap<String, Value>;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.json"))
}

/// A store with the fixture of that name.
pub(crate) fn load(name: &str) -> MemoryKv {
    let kv = MemoryKv::default();
    for (key, value) in read(name) {
        kv.load(&key, value.to_string().into_bytes());
    }
    kv
}

pub(crate) fn read(name: &str) -> Dump {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

/// All values in a store.
pub(crate) fn dump(kv: &MemoryKv) -> Dump {
    let values = kv.dump("").into_iter();
    values.map(|(key, value)| (key, serde_json::from_slice(&value).unwrap())).collect()
}

/// Compares what was just written with the fixture of that name, ids and moments apart.
///
/// If the layout was changed on purpose: raise the version, keep the old file, and make the new one by
/// `GOLDEN_UPDATE=1 cargo test -p framelift-edge golden`.
pub(crate) fn assert_written(name: &str, kv: &MemoryKv) {
    let dump = dump(kv);
    if std::env::var_os("GOLDEN_UPDATE").is_some() {
        std::fs::write(path(name), serde_json::to_string_pretty(&dump).unwrap() + "\n").unwrap();
    }
    assert_eq!(shape(dump), shape(read(name)), "the layout of stored values has changed");
}

/// The values, sorted, without the parts that differ from run to run.
fn shape(dump: Dump) -> Vec<String> {
    let mut shape: Vec<String> = dump
        .into_iter()
        .map(|(key, mut value)| {
            if let Some(envelope) = value.as_object_mut().filter(|value| value.contains_key("rev")) {
                envelope.insert("rev".into(), json!(0));
                envelope.insert("ops".into(), json!([]));
            }
            let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let part = |part: &str| if number(part) { "[n]".to_owned() } else { plain(part) };
            let key: Vec<String> = key.split('/').map(part).collect();
            format!("{} {}", key.join("/"), plain_value(value))
        })
        .collect();
    shape.sort_unstable();
    shape
}

fn plain_value(value: Value) -> Value {
    match value {
        Value::String(text) => plain(&text).into(),
        Value::Array(values) => values.into_iter().map(plain_value).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (plain(&name), plain_value(value))).collect()
        }
        other => other,
    }
}

fn plain(text: &str) -> String {
    if text.parse::<UserId>().is_ok() {
        "[id]".into()
    } else if text.len() > 9 && text.parse::<Time>().is_ok() {
        "[time]".into()
    } else if text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "[hex]".into()
    } else if text.starts_with("$argon2id$") || text.starts_with("whsec_") {
        "[secret]".into()
    } else {
        text.into()
    }
}
