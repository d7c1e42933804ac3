//! The values of the application's variables: given ones first, then the manifest's defaults.

use std::collections::BTreeMap;
use std::fmt;

use crate::manifest::Manifest;

const PREFIX: &str = "SPIN_VARIABLE_";

/// Values given from outside, by variable. They may be secrets, so `Debug` shows only the names.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Picks `SPIN_VARIABLE_<NAME>` out of an environment.
    pub fn from_environment(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let given = environment.into_iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(PREFIX)?.to_ascii_lowercase();
            Some((name, value))
        });
        Self(given.collect())
    }

    /// The variables that are given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Gives a variable its value, in place of one that it had.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The value of every variable of the application. For each required one that was given none, a line is added.
pub(crate) fn resolve(
    manifest: &Manifest,
    given: &Values,
    problems: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, variable) in &manifest.variables {
        match given.0.get(name).or(variable.default.as_ref()) {
            Some(value) => {
                values.insert(name.clone(), value.clone());
            }
            None => problems.push(format!(
                "variables.{name}: is required and has no value, set {PREFIX}{}",
                name.to_ascii_uppercase()
            )),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Variable;

    fn manifest() -> Manifest {
        let variable = |default: Option<&str>| Variable { default: default.map(str::to_owned) };
        Manifest {
            file: "spin.toml".into(),
            name: "shop".to_owned(),
            version: String::new(),
            variables: BTreeMap::from([
                ("api_key".to_owned(), variable(None)),
                ("host".to_owned(), variable(Some("localhost"))),
            ]),
            triggers: Vec::new(),
            components: BTreeMap::new(),
        }
    }

    #[test]
    fn given_values_come_before_defaults() {
        let environment = [("SPIN_VARIABLE_API_KEY", "one"), ("HOME", "/")];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut given = Values::from_environment(environment);
        let resolve = |given: &Values| super::resolve(&manifest(), given, &mut Vec::new());
        let values = resolve(&given);
        assert_eq!((values["api_key"].as_str(), values["host"].as_str()), ("one", "localhost"));
        given.set("host", "example.org");
        assert_eq!(resolve(&given)["host"], "example.org");
        assert_eq!(format!("{given:?}"), r#"{"api_key", "host"}"#);
    }

    #[test]
    fn a_required_variable_without_value_is_named() {
        let mut problems = Vec::new();
        resolve(&manifest(), &Values::default(), &mut problems);
        assert_eq!(problems, ["variables.api_key: is required and has no value, set SPIN_VARIABLE_API_KEY"]);
    }
}
