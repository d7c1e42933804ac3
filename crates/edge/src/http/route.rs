//! The table of a component's calls, and finding the one that is meant.

use std::sync::LazyLock;

use framelift_contract::problem::ProblemCode;
use http::Method;

use super::failure::Failure;

/// One call: a method and a path such as `/videos/{id}`, spelled as in the OpenAPI document.
#[derive(Clone, Debug)]
pub struct Route<C> {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// What the component calls it.
    pub call: C,
}

impl<C> Route<C> {
    /// A row of a table.
    pub const fn new(method: Method, path: &'static str, call: C) -> Self {
        Self { method, path, call }
    }
}

/// A table, ready to look up.
#[derive(Clone, Debug)]
pub struct Router<C> {
    paths: matchit::Router<Vec<(Method, C)>>,
}

/// Two rows that collide, or a path that is malformed: a fault of the table, not of a request.
#[derive(Debug, thiserror::Error)]
#[error("the route {path} cannot be added: {detail}")]
pub struct InvalidTable {
    path: &'static str,
    detail: String,
}

/// A component's router, made at its first request. A faulty table fails each of them.
pub type RouterOnce<C> = LazyLock<Result<Router<C>, InvalidTable>>;

impl<C: Copy> Router<C> {
    /// Reads a table.
    pub fn new(table: &[Route<C>]) -> Result<Self, InvalidTable> {
        let mut by_path: Vec<(&'static str, Vec<(Method, C)>)> = Vec::new();
        for route in table {
            let position = by_path.iter().position(|(path, _)| *path == route.path).unwrap_or_else(|| {
                by_path.push((route.path, Vec::new()));
                by_path.len() - 1
            });
            let methods = &mut by_path[position].1;
            if methods.iter().any(|(method, _)| *method == route.method) {
                return Err(InvalidTable { path: route.path, detail: format!("{} twice", route.method) });
            }
            methods.push((route.method.clone(), route.call));
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            paths.insert(path, methods).map_err(|error| InvalidTable { path, detail: error.to_string() })?;
        }
        Ok(Self { paths })
    }

    /// The call that is meant and its path's parameters; 404 or 405 (with `Allow`) otherwise.
    pub fn find(&self, method: &Method, path: &str) -> Result<(C, Params), Failure> {
        let Ok(found) = self.paths.at(path) else {
            return Err(Failure::new(ProblemCode::NotFound, "no such route"));
        };
        // A GET handler serves HEAD, too.
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        match found.value.iter().find(|(known, _)| known == wanted) {
            Some((_, call)) => Ok((*call, Params::new(&found.params))),
            None => Err(Failure::method_not_allowed(allow(found.value))),
        }
    }
}

/// The value of an `Allow` header.
fn allow<C>(methods: &[(Method, C)]) -> String {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.join(", ")
}

/// The parameters of a path.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    fn new(params: &matchit::Params<'_, '_>) -> Self {
        Self(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The parameter of that name; empty if the path has none (which no identifier accepts).
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}
