//! The stored form of values: a version, and fields that are preserved although only newer code knows them.
//!
//! Code reads values of older versions, which it migrates, and of newer versions, after a rollback or while two
//! versions run side by side. So it ignores fields that it does not know, and preserves them, and everything else that
//! it did not change, when it writes.

use framelift_domain::is_zero;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Damaged;

/// Maximum of bytes of a value that every back end accepts.
pub const MAX_VALUE_BYTES: usize = 32 << 10;

/// A value that is kept in the store.
///
/// The serde form is the layout of [`Self::VERSION`], which is separate from the wire types. A new field has a default.
/// Any other change makes a new version, with a step in [`Self::migrate`] and a fixture in `golden/`. A layout is
/// written only from the release after the one that can read it, so that a release can be rolled back.
pub trait Stored: Serialize + DeserializeOwned {
    /// The version that is written. Values without a version have 0.
    const VERSION: u32 = 1;
    /// Fields with the name of an enum's variant. An object that becomes another variant loses its unknown
    /// fields.
    const TAGS: &'static [&'static str] = &[];

    /// Brings a value of an older version to the layout of this one.
    fn migrate(_from: u32, value: Value) -> Value {
        value
    }
}

/// A value with its version and its last writes.
#[derive(Debug, Serialize)]
pub(super) struct Envelope {
    /// The version of the code that wrote it.
    v: u32,
    /// The revision: the number of writes of a value that is swapped.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) rev: u64,
    /// The ids of the last writes of a value that is swapped, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ops: Vec<String>,
    value: Value,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Envelope {
    /// An envelope around a new value.
    pub(super) fn new<T: Stored>(key: &str, value: &T) -> Result<Self, Damaged> {
        let value = to_json(key, value)?;
        Ok(Self { v: T::VERSION, rev: 0, ops: Vec::new(), value, unknown: Map::new() })
    }

    /// Decodes an envelope. Version 0 of a value that is not swapped had none.
    pub(super) fn read(key: &str, bytes: &[u8]) -> Result<Self, Damaged> {
        let json: Value = serde_json::from_slice(bytes).map_err(|_| Damaged::new(key, "it is not JSON"))?;
        match json {
            Value::Object(mut fields) if fields.contains_key("value") => {
                let value = fields.remove("value").unwrap_or_default();
                let (v, rev, ops) = take_metadata(&mut fields)
                    .map_err(|_| Damaged::new(key, "its version, revision or writes do not decode"))?;
                Ok(Self { v, rev, ops, value, unknown: fields })
            }
            value => Ok(Self { v: 0, rev: 0, ops: Vec::new(), value, unknown: Map::new() }),
        }
    }

    /// The value, in today's layout.
    pub(super) fn open<T: Stored>(&mut self, key: &str) -> Result<T, Damaged> {
        if self.v < T::VERSION {
            self.value = T::migrate(self.v, std::mem::take(&mut self.value));
            self.v = T::VERSION;
        }
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            // Serde's message may quote the value, which must not be logged.
            Damaged::new(key, format_args!("it does not decode at {}", error.path()))
        })
    }

    /// Replaces the value that was opened as `before`, and preserves its unknown fields.
    pub(super) fn replace<T: Stored>(&mut self, key: &str, before: Value, after: &T) -> Result<(), Damaged> {
        let after = to_json(key, after)?;
        self.value = merge(std::mem::take(&mut self.value), before, after, T::TAGS);
        self.v = T::VERSION;
        Ok(())
    }

    /// The bytes to store.
    pub(super) fn write(&self, key: &str) -> Result<Vec<u8>, Damaged> {
        let bytes = serde_json::to_vec(self).map_err(|_| Damaged::new(key, "it cannot be written"))?;
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(Damaged::new(key, format_args!("it would have {} bytes", bytes.len())));
        }
        Ok(bytes)
    }
}

/// A value as JSON, in the layout that is written.
pub(super) fn to_json<T: Stored>(key: &str, value: &T) -> Result<Value, Damaged> {
    serde_json::to_value(value).map_err(|_| Damaged::new(key, "it cannot be written"))
}

/// Takes an envelope's version, revision and writes out of its fields.
fn take_metadata(fields: &mut Map<String, Value>) -> Result<(u32, u64, Vec<String>), serde_json::Error> {
    Ok((take(fields, "v")?, take(fields, "rev")?, take(fields, "ops")?))
}

/// Takes a field out, which has a default.
fn take<T: DeserializeOwned + Default>(
    fields: &mut Map<String, Value>,
    name: &str,
) -> Result<T, serde_json::Error> {
    fields.remove(name).map_or_else(|| Ok(T::default()), serde_json::from_value)
}

/// A value of at least today's version.
#[derive(Deserialize)]
struct Current<T> {
    #[serde(default)]
    v: u32,
    value: T,
}

/// The value of type `T` in those bytes.
pub(crate) fn decode<T: Stored>(key: &str, bytes: &[u8]) -> Result<T, Damaged> {
    // Nearly all values have today's layout and are parsed once. Only an envelope migrates other layouts, and says why a
    // value is damaged.
    if let Ok(current) = serde_json::from_slice::<Current<T>>(bytes)
        && current.v >= T::VERSION
    {
        return Ok(current.value);
    }
    Envelope::read(key, bytes)?.open(key)
}

/// Merges a change into the stored JSON: `stored` was read as `before` and has become `after`. Everything that is equal
/// in both stays as it was stored, including unknown fields and spellings.
fn merge(stored: Value, before: Value, after: Value, tags: &[&str]) -> Value {
    if before == after {
        return stored;
    }
    match (stored, before, after) {
        (Value::Object(mut stored), Value::Object(mut before), Value::Object(after))
            if tags.iter().all(|tag| before.get(*tag) == after.get(*tag)) =>
        {
            stored.retain(|name, _| !before.contains_key(name) || after.contains_key(name));
            for (name, after) in after {
                let value = match (stored.remove(&name), before.remove(&name)) {
                    (Some(stored), Some(before)) => merge(stored, before, after, tags),
                    _ => after,
                };
                stored.insert(name, value);
            }
            Value::Object(stored)
        }
        (Value::Array(mut stored), Value::Array(mut before), Value::Array(after))
            if stored.len() == before.len() =>
        {
            let items = after.into_iter().map(|after| {
                match before.iter().position(|before| is_same_item(before, &after)) {
                    Some(n) => merge(stored.swap_remove(n), before.swap_remove(n), after, tags),
                    None => after,
                }
            });
            Value::Array(items.collect())
        }
        (_, _, after) => after,
    }
}

fn is_same_item(a: &Value, b: &Value) -> bool {
    a == b || a.get("id").is_some_and(|id| Some(id) == b.get("id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_did_not_change_stays_as_it_was_stored() {
        let stored = json!({
            "kept": "another spelling", "new": 1, "gone": 1,
            "state": {"name": "a", "new": 2, "n": 1},
            "items": [{"id": 1, "new": 3, "n": 1}, {"id": 2, "new": 4, "n": 1}, "x"],
        });
        let before = json!({
            "kept": "", "gone": 1, "state": {"name": "a", "n": 1},
            "items": [{"id": 1, "n": 1}, {"id": 2, "n": 1}, "x"],
        });
        let after = |name: &str| {
            json!({
                "kept": "", "added": 1, "state": {"name": name, "n": 2},
                "items": [{"id": 2, "n": 2}, "x", {"id": 3, "n": 1}],
            })
        };
        let merged = merge(stored.clone(), before.clone(), after("a"), &["name"]);
        let items = json!([{"id": 2, "new": 4, "n": 2}, "x", {"id": 3, "n": 1}]);
        assert_eq!(
            merged,
            json!({
                "kept": "another spelling", "new": 1, "added": 1,
                "state": {"name": "a", "new": 2, "n": 2}, "items": items,
            })
        );
        // Another variant loses the unknown fields.
        let merged = merge(stored, before, after("b"), &["name"]);
        assert_eq!(merged["state"], json!({"name": "b", "n": 2}));
        assert_eq!(merged["new"], 1);
    }
}
