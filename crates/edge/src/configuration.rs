//! Checks the variables of every component before any of them is served.
//!
//! A component reads its variables only at its first request. This check reports all problems of all components before
//! the app starts.

use std::collections::BTreeMap;

use crate::service::{Config, Role};
use crate::web::WebConfig;
use crate::{accounts, service};

/// Returns the problems of all variables, one a line, with the variable and the components that read it.
///
/// `components` has the app's components with the values of their variables. Unknown components are skipped.
pub fn problems(components: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<String> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (component, values) in components {
        for problem in of_component(component, values) {
            found.entry(problem).or_default().push(component);
        }
    }
    found.into_iter().map(|(problem, components)| format!("{problem} ({})", components.join(", "))).collect()
}

fn of_component(component: &str, values: &BTreeMap<String, String>) -> Vec<String> {
    let given = |names: &[&'static str]| -> BTreeMap<&'static str, String> {
        names.iter().filter_map(|name| Some((*name, values.get(*name)?.clone()))).collect()
    };
    match (component, Role::of(component)) {
        ("auth", _) => accounts::Config::read(&given(accounts::Config::VARIABLES)).err(),
        ("web", _) => WebConfig::read(&given(WebConfig::VARIABLES)).err(),
        (_, Some(role)) => Config::read(&given(service::NAMES), role).err(),
        (_, None) => None,
    }
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::COMPONENTS;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_component_is_checked() {
        for component in COMPONENTS {
            let app = BTreeMap::from([(component.name.to_owned(), BTreeMap::new())]);
            let problems = problems(&app);
            assert!(!problems.is_empty(), "{} can do without variables", component.name);
            let named = format!("({})", component.name);
            assert!(problems.iter().all(|problem| problem.contains(": ") && problem.ends_with(&named)));
        }
        let stranger = BTreeMap::from([("stranger".to_owned(), BTreeMap::new())]);
        assert_eq!(problems(&stranger), Vec::<String>::new());
    }

    #[test]
    fn a_problem_of_several_components_is_reported_once() {
        let store = [
            ("s3_endpoint", "http://s3"),
            ("s3_bucket", "frames"),
            ("aws_region", "r"),
            ("aws_access_key_id", "id"),
            ("aws_secret_access_key", "hidden"),
            ("cors_origins", "*"),
        ];
        let frames = [&store[..], &[("frames_key", "short"), ("url_ttl_s", "0")]].concat();
        let app = BTreeMap::from([
            ("downloads".to_owned(), values(&store)),
            ("frames".to_owned(), values(&frames)),
            ("web".to_owned(), values(&store)),
        ]);
        let problems = problems(&app);
        assert_eq!(
            problems,
            [
                "cors_origins: `*` is not an origin such as https://app.example.com (downloads, frames, web)",
                "frames_key: each key must have at least 16 characters (frames)",
                "public_keys: is missing (downloads, frames)",
                "url_ttl_s: must be a whole number from 1 to 604800 (frames)",
            ]
        );
    }
}
