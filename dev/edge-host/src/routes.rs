//! Finds the component for a path by Spin's own router: exact routes come before parameters, these before
//! `/...`, and longer routes before shorter ones.

use crate::manifest::Trigger;

/// The routes of an application.
pub(crate) struct Routes {
    router: routefinder::Router<Target>,
}

struct Target {
    route: String,
    component: String,
}

/// A route that answers a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// The component.
    pub(crate) component: String,
    /// The route as it is written in the manifest.
    pub(crate) route: String,
    /// The part that the trailing `/...` matched, with its slash.
    pub(crate) rest: String,
    /// The part that each `:name` matched, as it is in the path.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Routes {
    /// Takes in the public routes.
    ///
    /// # Errors
    ///
    /// Names the route that cannot be one.
    pub(crate) fn new(triggers: &[Trigger]) -> Result<Self, String> {
        let mut router = routefinder::Router::new();
        for trigger in triggers {
            let Some(route) = &trigger.route else {
                continue;
            };
            let spec = route.strip_suffix('/').unwrap_or(route);
            let spec = match spec.strip_suffix("/...") {
                Some(prefix) => format!("{prefix}/*"),
                None => spec.to_owned(),
            };
            let target = Target { route: route.clone(), component: trigger.component.clone() };
            router
                .add(spec.as_str(), target)
                .map_err(|error| format!("trigger.http: route `{route}`: {error}"))?;
        }
        Ok(Self { router })
    }

    /// The route for a path.
    pub(crate) fn find(&self, path: &str) -> Option<Match> {
        let found = self.router.best_match(path)?;
        let captures = found.captures();
        // The router drops a slash at the end, which the guest is to see.
        let rest = match captures.wildcard() {
            Some("") if path.ends_with('/') => "/".to_owned(),
            Some("") | None => String::new(),
            Some(rest) if path.ends_with('/') => format!("/{rest}/"),
            Some(rest) => format!("/{rest}"),
        };
        let parameters = captures.iter();
        Some(Match {
            component: found.component.clone(),
            route: found.route.clone(),
            rest,
            parameters: parameters.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        })
    }
}

impl Match {
    /// The match of a call from another component: every path, as below a route `/...`.
    pub(crate) fn chained(component: &str, path: &str) -> Self {
        Self {
            component: component.to_owned(),
            route: "/...".to_owned(),
            rest: path.to_owned(),
            parameters: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(routes: &[&str]) -> Routes {
        let triggers: Vec<Trigger> = routes
            .iter()
            .map(|route| Trigger { route: Some((*route).to_owned()), component: format!("for {route}") })
            .collect();
        Routes::new(&triggers).unwrap()
    }

    #[test]
    fn exact_beats_parameter_beats_wildcard_and_longer_beats_shorter() {
        let all = [
            "/",
            "/...",
            "/v1/videos",
            "/v1/videos/...",
            "/v1/videos/:id",
            "/v1/videos/:id/frames",
            "/v1/videos/latest",
        ];
        let mut reversed = all;
        reversed.reverse();
        for order in [all, reversed] {
            let routes = routes(&order);
            for (path, expected) in [
                ("/", "/"),
                ("/other", "/..."),
                ("/v1/videos", "/v1/videos"),
                ("/v1/videos/", "/v1/videos"),
                ("/v1/videos/latest", "/v1/videos/latest"),
                ("/v1/videos/7", "/v1/videos/:id"),
                ("/v1/videos/7/frames", "/v1/videos/:id/frames"),
                ("/v1/videos/7/more", "/v1/videos/..."),
                ("/v1/video", "/..."),
            ] {
                assert_eq!(routes.find(path).unwrap().route, expected, "{path}");
            }
        }
    }

    #[test]
    fn the_rest_and_the_parameters_are_told() {
        let routes = routes(&["/a/...", "/b/:one/x/:two/..."]);
        for (path, rest) in [("/a", ""), ("/a/", "/"), ("/a/b", "/b"), ("/a/b/c/", "/b/c/")] {
            assert_eq!(routes.find(path).unwrap().rest, rest, "{path}");
        }
        let found = routes.find("/b/1/x/a%20b/rest").unwrap();
        assert_eq!(found.rest, "/rest");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found.parameters, [pair("one", "1"), pair("two", "a%20b")]);
        assert_eq!(routes.find("/b/1/y"), None);
    }

    #[test]
    fn private_triggers_have_no_route() {
        let routes = Routes::new(&[Trigger { route: None, component: "inside".to_owned() }]);
        assert_eq!(routes.unwrap().find("/"), None);
    }
}
