//! Templates: text in which `{{ name }}` stands for an application variable.

use std::collections::BTreeMap;
use std::fmt;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Parses `{{ name }}`, with or without spaces around the name.
    ///
    /// # Errors
    ///
    /// Says which brace is not closed or which name no variable can have.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((name, after)) = after.split_once("}}") else {
                return Err(format!("`{text}` has a `{{{{` without its `}}}}`"));
            };
            let name = name.trim();
            check_name(name).map_err(|reason| format!("`{text}`: variable `{name}` {reason}"))?;
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The variables that it names.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Fills in the variables' values; the error is a name without a value.
    pub(crate) fn resolve(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(name) => match values.get(name) {
                    Some(value) => text.push_str(value),
                    None => return Err(format!("variable `{name}` has no value")),
                },
            }
        }
        Ok(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Variable(name) => write!(f, "{{{{ {name} }}}}")?,
            }
        }
        Ok(())
    }
}

/// Spin's rule for names of variables: they must survive as environment variables and file names.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() {
        Err("must not be empty")
    } else if !name.chars().all(allowed) {
        Err("may hold only lower-case letters, digits and underscores")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Err("must start with a lower-case letter")
    } else if name.ends_with('_') || name.contains("__") {
        Err("may hold underscores only one at a time and between other characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_place() {
        let values = BTreeMap::from([
            ("host".to_owned(), "example.org".to_owned()),
            ("port".to_owned(), "8080".to_owned()),
        ]);
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("http://{{ host }}:{{port}}", "http://example.org:8080"),
            ("{{ host }}", "example.org"),
        ] {
            let template = Template::parse(text).unwrap();
            assert_eq!(template.resolve(&values).unwrap(), expected);
        }
        let missing = Template::parse("{{ nobody }}").unwrap();
        assert!(missing.resolve(&values).unwrap_err().contains("nobody"));
        assert_eq!(missing.variables().collect::<Vec<_>>(), ["nobody"]);
        assert_eq!(missing.to_string(), "{{ nobody }}");
    }

    #[test]
    fn bad_templates_are_refused() {
        for text in ["{{ open", "{{ }}", "{{ Upper }}", "{{ 1st }}", "{{ a__b }}", "{{ a_ }}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
