//! Routes of a component's endpoints, and the router that matches requests to them.

use std::sync::LazyLock;

use framelift_contract::problem::ProblemCode;
use http::Method;

use super::failure::Failure;

/// An endpoint's method and its path such as `/videos/{id}`, spelled as in the OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
}

impl Route {
    /// A `GET`.
    pub const fn get(path: &'static str) -> Self {
        Self { method: Method::GET, path }
    }

    /// A `POST`.
    pub const fn post(path: &'static str) -> Self {
        Self { method: Method::POST, path }
    }

    /// A `PUT`.
    pub const fn put(path: &'static str) -> Self {
        Self { method: Method::PUT, path }
    }

    /// A `PATCH`.
    pub const fn patch(path: &'static str) -> Self {
        Self { method: Method::PATCH, path }
    }

    /// A `DELETE`.
    pub const fn delete(path: &'static str) -> Self {
        Self { method: Method::DELETE, path }
    }
}

/// Matches requests to a list of routes.
#[derive(Clone, Debug)]
pub struct Router {
    /// The methods of each path, and the positions of their routes in the list.
    paths: matchit::Router<Vec<(Method, usize)>>,
}

/// What a router found for a request.
#[derive(Clone, Debug)]
pub enum Found {
    /// The position of a route in the list, and the parameters of its path.
    Endpoint(usize, Params),
    /// `OPTIONS` of a path that exists; the value of the `Allow` header.
    Options(String),
}

/// Conflicting routes or a malformed path in the list of routes.
#[derive(Debug, thiserror::Error)]
#[error("the route {path} cannot be added: {detail}")]
pub struct InvalidRoutes {
    path: &'static str,
    detail: String,
}

/// A component's router, built at the first request. With a faulty list, every request fails.
pub type RouterOnce = LazyLock<Result<Router, InvalidRoutes>>;

impl Router {
    /// A router of these routes.
    pub fn new(routes: &[Route]) -> Result<Self, InvalidRoutes> {
        let mut by_path: Vec<(&'static str, Vec<(Method, usize)>)> = Vec::new();
        for (position, route) in routes.iter().enumerate() {
            let known = by_path.iter().position(|(path, _)| *path == route.path).unwrap_or_else(|| {
                by_path.push((route.path, Vec::new()));
                by_path.len() - 1
            });
            let methods = &mut by_path[known].1;
            if methods.iter().any(|(method, _)| *method == route.method) {
                return Err(InvalidRoutes { path: route.path, detail: format!("{} twice", route.method) });
            }
            methods.push((route.method.clone(), position));
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            paths.insert(path, methods).map_err(|error| InvalidRoutes { path, detail: error.to_string() })?;
        }
        Ok(Self { paths })
    }

    /// The route that matches; 404 or 405 (with `Allow`) if none does.
    pub fn find(&self, method: &Method, path: &str) -> Result<Found, Failure> {
        let Ok(found) = self.paths.at(path) else {
            return Err(Failure::new(ProblemCode::NotFound, "no such route"));
        };
        // The endpoint of GET serves HEAD, too.
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        match found.value.iter().find(|(known, _)| known == wanted) {
            Some((_, position)) => Ok(Found::Endpoint(*position, Params::new(&found.params))),
            None if *method == Method::OPTIONS => Ok(Found::Options(allow(found.value))),
            None => Err(Failure::method_not_allowed(allow(found.value))),
        }
    }
}

/// The value of an `Allow` header.
fn allow(methods: &[(Method, usize)]) -> String {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
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
