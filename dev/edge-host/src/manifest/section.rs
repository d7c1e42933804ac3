//! Reads a TOML table key by key. Missing and unknown keys and wrong types become lines with the key's full
//! name.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// The lines gathered so far.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<String>>);

impl Problems {
    /// Adds a line.
    pub(super) fn add(&self, problem: String) {
        self.0.borrow_mut().push(problem);
    }

    /// The lines in the order in which they were found.
    pub(super) fn into_list(self) -> Vec<String> {
        self.0.into_inner()
    }
}

/// A table of which keys are taken one after the other.
pub(super) struct Section<'p> {
    path: String,
    table: toml::Table,
    problems: &'p Problems,
}

impl<'p> Section<'p> {
    /// A table that is found at `path`; the root's path is empty.
    pub(super) fn new(path: &str, table: toml::Table, problems: &'p Problems) -> Self {
        Self { path: path.to_owned(), table, problems }
    }

    /// Its full name.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong(&self, key: &str, found: &toml::Value, wanted: &str) {
        self.problems.add(format!("{}: {} is not {wanted}", self.name(key), found.type_str()));
    }

    /// Takes a value of any type.
    pub(super) fn value(&mut self, key: &str) -> Option<toml::Value> {
        self.table.remove(key)
    }

    /// Takes a text.
    pub(super) fn string(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key)? {
            toml::Value::String(text) => Some(text),
            other => {
                self.wrong(key, &other, "a text");
                None
            }
        }
    }

    /// Takes a text that must be there; empty where it is not.
    pub(super) fn required_string(&mut self, key: &str) -> String {
        if !self.table.contains_key(key) {
            self.problems.add(format!("{}: is missing", self.name(key)));
        }
        self.string(key).unwrap_or_default()
    }

    /// Takes a boolean.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        match self.table.remove(key)? {
            toml::Value::Boolean(value) => Some(value),
            other => {
                self.wrong(key, &other, "true or false");
                None
            }
        }
    }

    /// Takes a list of texts; empty where there is none.
    pub(super) fn strings(&mut self, key: &str) -> Vec<String> {
        let list = match self.table.remove(key) {
            Some(toml::Value::Array(list)) => list,
            Some(other) => {
                self.wrong(key, &other, "a list");
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut strings = Vec::new();
        for value in list {
            match value {
                toml::Value::String(text) => strings.push(text),
                other => self.wrong(key, &other, "a text"),
            }
        }
        strings
    }

    /// Takes a table.
    pub(super) fn section(&mut self, key: &str) -> Option<Section<'p>> {
        match self.table.remove(key)? {
            toml::Value::Table(table) => Some(Section::new(&self.name(key), table, self.problems)),
            other => {
                self.wrong(key, &other, "a table");
                None
            }
        }
    }

    /// Takes a table of tables.
    pub(super) fn sections(&mut self, key: &str) -> Vec<(String, Section<'p>)> {
        let Some(mut section) = self.section(key) else {
            return Vec::new();
        };
        let keys: Vec<String> = section.table.keys().cloned().collect();
        keys.into_iter().filter_map(|key| section.section(&key).map(|found| (key, found))).collect()
    }

    /// Takes a list of tables.
    pub(super) fn list(&mut self, key: &str) -> Vec<Section<'p>> {
        let list = match self.table.remove(key) {
            Some(toml::Value::Array(list)) => list,
            Some(other) => {
                self.wrong(key, &other, "a list of tables");
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut sections = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            match value {
                toml::Value::Table(table) => {
                    sections.push(Section::new(&format!("{}[{index}]", self.name(key)), table, self.problems))
                }
                other => self.wrong(key, &other, "a table"),
            }
        }
        sections
    }

    /// Takes a table of texts.
    pub(super) fn string_map(&mut self, key: &str) -> BTreeMap<String, String> {
        let Some(mut section) = self.section(key) else {
            return BTreeMap::new();
        };
        let keys: Vec<String> = section.table.keys().cloned().collect();
        keys.into_iter().filter_map(|key| section.string(&key).map(|text| (key, text))).collect()
    }

    /// Refuses the remaining keys.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            self.problems.add(format!("{}: this host does not know the key", self.name(key)));
        }
    }
}
