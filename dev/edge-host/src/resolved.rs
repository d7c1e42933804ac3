//! What each component of an application is given once the variables have their values.

use std::collections::BTreeMap;
use std::path::Path;

use crate::manifest::{Component, InvalidManifest, Manifest};
use crate::outbound::AllowedHosts;
use crate::variables::{self, Values};

/// What one component is given.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Whom it may call.
    pub(crate) allowed: AllowedHosts,
    /// Its variables.
    pub(crate) variables: BTreeMap<String, String>,
}

/// The variables of all components, and what is wrong with the values.
#[derive(Debug, Default)]
pub struct ComponentVariables {
    /// The variables of each component, as far as they have values.
    pub components: BTreeMap<String, BTreeMap<String, String>>,
    /// What is wrong, a line each.
    pub problems: Vec<String>,
}

/// What each component would be given. The components' code need not be there.
///
/// # Errors
///
/// Lists everything that is wrong with the manifest.
pub fn component_variables(manifest: &Path, values: &Values) -> Result<ComponentVariables, InvalidManifest> {
    let manifest = Manifest::load_without_code(manifest)?;
    let unknown = values.names().filter(|name| !manifest.variables.contains_key(*name));
    let mut problems: Vec<String> =
        unknown.map(|name| format!("variables.{name}: there is no such variable")).collect();
    let resolved = resolve(&manifest, values, &mut problems);
    let components = resolved.into_iter().map(|(id, component)| (id, component.variables)).collect();
    Ok(ComponentVariables { components, problems })
}

/// What each component is given, as far as there are values. A line is added for each variable without one, and for
/// each host that cannot be one.
pub(crate) fn resolve(
    manifest: &Manifest,
    given: &Values,
    problems: &mut Vec<String>,
) -> BTreeMap<String, Resolved> {
    let values = variables::resolve(manifest, given, problems);
    let of_component = |(id, component): (&String, &Component)| {
        let mut allowed = AllowedHosts::default();
        for template in &component.allowed_outbound_hosts {
            // Skips a host that needs a variable without a value: that is reported already.
            let Ok(entry) = template.resolve(&values) else { continue };
            if let Err(problem) = allowed.add(&entry) {
                problems.push(format!("component.{id}.allowed_outbound_hosts: {template}: {problem}"));
            }
        }
        let variables = component.variables.iter();
        let variables = variables
            .filter_map(|(name, template)| Some((name.clone(), template.resolve(&values).ok()?)))
            .collect();
        (id.clone(), Resolved { allowed, variables })
    };
    manifest.components.iter().map(of_component).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "shop"
        [variables]
        host = { default = "http://localhost" }
        key = { required = true }
        [[trigger.http]]
        route = "/..."
        component = "main"
        [component.main]
        source = "is-not-built.wasm"
        allowed_outbound_hosts = ["{{ host }}"]
        [component.main.variables]
        secret = "{{ key }}"
    "#;

    fn given(pairs: &[(&str, &str)]) -> ComponentVariables {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spin.toml");
        std::fs::write(&file, APP).unwrap();
        let mut values = Values::default();
        pairs.iter().for_each(|(name, value)| values.set(*name, *value));
        component_variables(&file, &values).unwrap()
    }

    #[test]
    fn components_are_given_their_variables() {
        let given = given(&[("key", "one")]);
        assert_eq!(given.components["main"]["secret"], "one");
        assert_eq!(given.problems, Vec::<String>::new());
    }

    #[test]
    fn everything_wrong_with_values_is_told_at_once_and_without_any_code() {
        let given = given(&[("host", "a b"), ("hst", "x")]);
        assert!(given.components["main"].is_empty());
        let expected = [
            "variables.hst: there is no such variable",
            "variables.key: is required",
            "component.main.allowed_outbound_hosts: {{ host }}: `a b`",
        ];
        assert_eq!(given.problems.len(), expected.len(), "{given:?}");
        for (told, expected) in given.problems.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
