//! The subset of Spin's manifest, version 2, that this host serves. It refuses what it does not know, and
//! lists all problems at once.

mod section;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::section::{Problems, Section};
use crate::template::{Template, check_name};

/// Paths below this one are the server's own.
pub(crate) const RESERVED_PREFIX: &str = "/.well-known/spin/";

/// A manifest that can be served.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Where it was read.
    pub(crate) file: PathBuf,
    /// The application's name.
    pub(crate) name: String,
    /// The application's version; empty where none is given.
    pub(crate) version: String,
    /// The application's variables by name.
    pub(crate) variables: BTreeMap<String, Variable>,
    /// The triggers in the order of the file.
    pub(crate) triggers: Vec<Trigger>,
    /// The components by id.
    pub(crate) components: BTreeMap<String, Component>,
}

/// An application variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// The value when none is given; one without is required.
    pub(crate) default: Option<String>,
}

/// A trigger: the route to a component.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    /// The route; `None` for a private trigger, which only other components reach.
    pub(crate) route: Option<String>,
    /// The id of the component.
    pub(crate) component: String,
}

/// A component and what it may use.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// The path of its Wasm file.
    pub(crate) source: PathBuf,
    /// The hosts that it may call.
    pub(crate) allowed_outbound_hosts: Vec<Template>,
    /// The labels of the stores that it may open.
    pub(crate) key_value_stores: BTreeSet<String>,
    /// Its own variables.
    pub(crate) variables: BTreeMap<String, Template>,
    /// Its environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// All problems of a file or its values, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(|problem| format!("{}: {problem}", file.display())).collect::<Vec<_>>().join("\n"))]
pub struct InvalidManifest {
    /// The manifest.
    pub file: PathBuf,
    /// The problems, each with the key's name.
    pub problems: Vec<String>,
}

impl Manifest {
    /// Reads and checks a manifest; relative paths in it start at its folder.
    ///
    /// # Errors
    ///
    /// Lists everything that is wrong with it.
    pub(crate) fn load(file: &Path) -> Result<Self, InvalidManifest> {
        let manifest = Self::load_without_code(file)?;
        let missing: Vec<String> = manifest
            .components
            .iter()
            .filter(|(_, component)| !component.source.is_file())
            .map(|(id, component)| {
                format!("component.{id}.source: there is no file {}", component.source.display())
            })
            .collect();
        let invalid = |problems| InvalidManifest { file: file.to_owned(), problems };
        if missing.is_empty() { Ok(manifest) } else { Err(invalid(missing)) }
    }

    /// The same, whether the components' code is there or not.
    pub(crate) fn load_without_code(file: &Path) -> Result<Self, InvalidManifest> {
        let invalid = |problems| InvalidManifest { file: file.to_owned(), problems };
        let text = std::fs::read_to_string(file)
            .map_err(|error| invalid(vec![format!("cannot be read: {error}")]))?;
        Self::parse(file, &text).map_err(invalid)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| vec![error.to_string().trim_end().replace('\n', "\n  ")])?;
        let problems = Problems::default();
        let manifest = Self::read(file, table, &problems);
        let problems = problems.into_list();
        if problems.is_empty() { Ok(manifest) } else { Err(problems) }
    }

    fn read(file: &Path, table: toml::Table, problems: &Problems) -> Self {
        let mut root = Section::new("", table, problems);
        match root.value("spin_manifest_version") {
            Some(toml::Value::Integer(2)) => {}
            Some(other) => problems.add(format!("spin_manifest_version: {other} is not 2")),
            None => problems.add("spin_manifest_version: is missing".to_owned()),
        }
        let (name, version) = read_application(root.section("application"), problems);
        let variables = root
            .sections("variables")
            .into_iter()
            .map(|(name, section)| read_variable(name, section, problems))
            .collect();
        let folder = file.parent().unwrap_or(Path::new(""));
        let components: BTreeMap<String, Component> = root
            .sections("component")
            .into_iter()
            .map(|(id, section)| read_component(id, section, folder, problems))
            .collect();
        let mut triggers = Vec::new();
        if let Some(mut section) = root.section("trigger") {
            let list = section.list("http");
            triggers = list.into_iter().filter_map(|t| read_trigger(t, problems)).collect();
            section.finish();
        }
        root.finish();
        let manifest = Self { file: file.to_owned(), name, version, variables, triggers, components };
        manifest.check_references(problems);
        manifest
    }

    /// Reports references to things that do not exist.
    fn check_references(&self, problems: &Problems) {
        if self.triggers.is_empty() {
            problems.add("trigger.http: there is none".to_owned());
        }
        let mut routes = BTreeSet::new();
        for trigger in &self.triggers {
            let id = &trigger.component;
            if !self.components.contains_key(id) {
                problems.add(format!("trigger.http: there is no component `{id}`"));
            }
            if let Some(route) = &trigger.route
                && !routes.insert(route)
            {
                problems.add(format!("trigger.http: route `{route}` is given twice"));
            }
        }
        for (id, component) in &self.components {
            if !self.triggers.iter().any(|trigger| trigger.component == *id) {
                problems.add(format!("component.{id}: no trigger leads to it"));
            }
            let hosts = component.allowed_outbound_hosts.iter();
            let hosts = hosts.map(|host| ("allowed_outbound_hosts".to_owned(), host));
            let variables = component.variables.iter();
            let variables = variables.map(|(name, value)| (format!("variables.{name}"), value));
            for (key, template) in hosts.chain(variables) {
                for name in template.variables() {
                    if !self.variables.contains_key(name) {
                        problems.add(format!("component.{id}.{key}: there is no variable `{name}`"));
                    }
                }
            }
        }
    }
}

fn read_application(section: Option<Section<'_>>, problems: &Problems) -> (String, String) {
    let Some(mut section) = section else {
        problems.add("application: is missing".to_owned());
        return Default::default();
    };
    let name = section.required_string("name");
    let version = section.string("version").unwrap_or_default();
    section.string("description");
    section.strings("authors");
    section.finish();
    (name, version)
}

fn read_variable(name: String, mut section: Section<'_>, problems: &Problems) -> (String, Variable) {
    if let Err(reason) = check_name(&name) {
        problems.add(format!("variables.{name}: the name {reason}"));
    }
    section.string("description");
    let default = section.string("default");
    let required = section.boolean("required").unwrap_or(false);
    // No value is ever shown, secret or not.
    section.boolean("secret");
    match (&default, required) {
        (Some(_), true) => {
            problems.add(format!("variables.{name}: a required variable cannot have a default"))
        }
        (None, false) => problems.add(format!("variables.{name}: needs `default` or `required = true`")),
        _ => {}
    }
    section.finish();
    (name, Variable { default })
}

fn read_trigger(mut section: Section<'_>, problems: &Problems) -> Option<Trigger> {
    section.string("id");
    let component = section.required_string("component");
    let path = section.path().to_owned();
    let route = match section.value("route") {
        Some(toml::Value::String(route)) => {
            if !route.starts_with('/') {
                problems.add(format!("{path}.route: `{route}` does not start with `/`"));
            }
            if route.starts_with(RESERVED_PREFIX) {
                problems.add(format!("{path}.route: `{route}` is the server's own"));
            }
            Some(Some(route))
        }
        Some(toml::Value::Table(table))
            if table.len() == 1 && table.get("private") == Some(&toml::Value::Boolean(true)) =>
        {
            Some(None)
        }
        Some(other) => {
            problems.add(format!("{path}.route: {other} is neither a text nor {{ private = true }}"));
            None
        }
        None => {
            problems.add(format!("{path}.route: is missing"));
            None
        }
    };
    section.finish();
    Some(Trigger { route: route?, component })
}

fn read_component(
    id: String,
    mut section: Section<'_>,
    folder: &Path,
    problems: &Problems,
) -> (String, Component) {
    let word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !id.split('-').all(word) || !id.starts_with(|c: char| c.is_ascii_lowercase()) {
        problems.add(format!("component.{id}: an id is made of lower-case words with `-` between them"));
    }
    let source = folder.join(section.required_string("source"));
    section.string("description");
    let templates = |key: &str, texts: Vec<String>| -> Vec<Template> {
        let parsed = texts.iter().filter_map(|text| match Template::parse(text) {
            Ok(template) => Some(template),
            Err(problem) => {
                problems.add(format!("component.{id}.{key}: {problem}"));
                None
            }
        });
        parsed.collect()
    };
    let hosts = section.strings("allowed_outbound_hosts");
    let allowed_outbound_hosts = templates("allowed_outbound_hosts", hosts);
    let key_value_stores = section.strings("key_value_stores").into_iter().collect();
    let mut variables = BTreeMap::new();
    for (name, text) in section.string_map("variables") {
        if let Err(reason) = check_name(&name) {
            problems.add(format!("component.{id}.variables.{name}: the name {reason}"));
        }
        if let Some(template) = templates(&format!("variables.{name}"), vec![text]).pop() {
            variables.insert(name, template);
        }
    }
    let environment = section.string_map("environment");
    if !section.strings("files").is_empty() {
        problems.add(format!("component.{id}.files: this host gives components no files"));
    }
    if let Some(mut build) = section.section("build") {
        // They are for the tool that builds the application.
        for key in ["command", "workdir", "watch"] {
            build.value(key);
        }
        build.finish();
    }
    section.finish();
    let component = Component { source, allowed_outbound_hosts, key_value_stores, variables, environment };
    (id, component)
}

#[cfg(test)]
mod tests;
