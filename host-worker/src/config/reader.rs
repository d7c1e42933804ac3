//! Reads keys from the file and the environment, and collects the problems.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::docs::{KeyDoc, SectionDoc, sections};
use super::setting::Setting;

/// Keys not read yet, and the problems so far.
pub(super) struct Reader<'e> {
    file: Table,
    environment: &'e BTreeMap<String, String>,
    problems: Vec<String>,
}

/// The variable that overrides a key.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("FRAMELIFT_{}_{}", section.to_uppercase(), key.to_uppercase())
}

impl<'e> Reader<'e> {
    pub(super) fn new(text: &str, environment: &'e BTreeMap<String, String>) -> Result<Self, String> {
        let file = text.parse::<Table>().map_err(|error| {
            // The parser's message quotes the line, which may hold a secret.
            let line = error.span().map_or(0, |span| {
                text.as_bytes()[..span.start.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
            });
            format!("the file is not TOML: line {line}: {}", error.message())
        })?;
        Ok(Self { file, environment, problems: Vec::new() })
    }

    /// The key's value: from the environment, else from the file, else its default.
    pub(super) fn get<T: Setting>(&mut self, section: &str, key: &KeyDoc) -> Option<T> {
        let written = self.take(section, key.name);
        let written_file = if T::SECRET { self.take(section, &format!("{}_file", key.name)) } else { None };
        let (name, file_name) =
            (variable(section, key.name), variable(section, &format!("{}_file", key.name)));
        let place = format!("[{section}] {}", key.name);

        if let Some(text) = self.environment.get(&name) {
            return self.accept(&name, T::from_text(text));
        }
        if T::SECRET
            && let Some(path) = self.environment.get(&file_name)
        {
            let secret = from_file(path);
            return self.accept(&file_name, secret);
        }
        if written.is_some() && written_file.is_some() {
            self.problems.push(format!("{place}: give either {0} or {0}_file, not both", key.name));
            return None;
        }
        if let Some(value) = written {
            return self.accept(&place, from_value(&value));
        }
        if let Some(value) = written_file {
            let secret = match value.as_str() {
                Some(path) => from_file(path),
                None => Err("expected a file's path in quotes".to_owned()),
            };
            return self.accept(&format!("{place}_file"), secret);
        }
        if let Some(default) = key.default {
            return self.accept(&place, T::from_text(default));
        }
        if let Some(absent) = T::absent() {
            return Some(absent);
        }
        self.problems.push(format!("{place} is missing (or {name} in the environment)"));
        None
    }

    fn accept<T>(&mut self, place: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|problem| self.problems.push(format!("{place}: {problem}"))).ok()
    }

    fn take(&mut self, section: &str, key: &str) -> Option<Value> {
        self.file.get_mut(section)?.as_table_mut()?.remove(key)
    }

    /// Reports unknown keys, so that a typing error does not silently select a default.
    pub(super) fn refuse_unknown(&mut self) {
        let known = sections();
        for (name, value) in &self.file {
            match value {
                Value::Table(rest) if known.iter().any(|section| section.name == name) => {
                    self.problems.extend(rest.keys().map(|key| format!("[{name}] {key}: unknown key")));
                }
                Value::Table(_) => self.problems.push(format!("[{name}]: unknown section")),
                _ if known.iter().any(|section| section.name == name) => {
                    self.problems.push(format!("{name}: expected a section, [{name}]"));
                }
                _ => self.problems.push(format!("{name}: unknown key outside of any section")),
            }
        }
        for name in self.environment.keys() {
            if names_no_key(name, &known) {
                self.problems.push(format!("{name}: no such setting"));
            }
        }
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }
}

/// Whether a variable has the worker's prefix but names no key.
fn names_no_key(name: &str, known: &[SectionDoc]) -> bool {
    let ours = known.iter().filter(|section| name.starts_with(&variable(section.name, "")));
    let mut candidates = ours.peekable();
    candidates.peek().is_some()
        && !candidates.any(|section| {
            section.keys.iter().any(|key| {
                name == variable(section.name, key.name)
                    || (key.secret && name == variable(section.name, &format!("{}_file", key.name)))
            })
        })
}

fn from_value<T: Setting>(value: &Value) -> Result<T, String> {
    match (value, T::QUOTED) {
        (Value::String(text), true) => T::from_text(text),
        (Value::Integer(_) | Value::Boolean(_), false) => T::from_text(&value.to_string()),
        (_, true) => Err("expected text in quotes".into()),
        (_, false) => Err("expected a number, true or false, without quotes".into()),
    }
}

fn from_file<T: Setting>(path: &str) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    T::from_text(text.trim_end_matches(['\r', '\n']))
}
