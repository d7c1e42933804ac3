//! Log lines of the edge: one JSON object a line on standard error.

use framelift_domain::CorrelationId;
use serde_json::{Map, Value};

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Information.
    Info,
    /// A warning: worth a look when it comes often.
    Warn,
    /// An error that an operator should look into.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Writes one line. The host adds the time.
#[expect(clippy::print_stderr, reason = "a guest's log is its standard error")]
pub fn log(level: Level, message: &str, correlation_id: Option<&CorrelationId>, fields: &[(&str, Value)]) {
    let line = line(level, message, correlation_id, fields);
    eprintln!("{line}");
    #[cfg(feature = "testing")]
    RECORDED.with_borrow_mut(|recorded| recorded.as_mut().map(|lines| lines.push(line)));
}

#[cfg(feature = "testing")]
thread_local! {
    /// The lines of this thread, once it has asked for them.
    static RECORDED: std::cell::RefCell<Option<Vec<Value>>> = const { std::cell::RefCell::new(None) };
}

/// All lines that this thread has written since the last call; the first call starts the recording.
#[cfg(feature = "testing")]
pub fn take_lines() -> Vec<Value> {
    RECORDED.replace(Some(Vec::new())).unwrap_or_default()
}

fn line(
    level: Level,
    message: &str,
    correlation_id: Option<&CorrelationId>,
    fields: &[(&str, Value)],
) -> Value {
    let mut line = Map::new();
    line.insert("level".into(), level.as_str().into());
    line.insert("message".into(), message.into());
    if let Some(id) = correlation_id {
        line.insert("correlation_id".into(), id.as_str().into());
    }
    line.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let id = "c-1".parse().unwrap();
        let line = line(Level::Warn, "two\nlines", Some(&id), &[("http.path", "/x".into())]).to_string();
        assert_eq!(
            line,
            r#"{"correlation_id":"c-1","http.path":"/x","level":"warn","message":"two\nlines"}"#
        );
    }
}
