//! `spin.toml` leads every call to the component that answers it, and gives it what it needs.

use std::collections::BTreeMap;

use framelift_edge::openapi::COMPONENTS;
use framelift_edge::service::NAMES;

fn manifest() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spin.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// The component of a path: an exact route before one with parameters before a prefix.
fn component_of(manifest: &toml::Table, path: &str) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let triggers = manifest["trigger"]["http"].as_array().unwrap();
    let matching = triggers.iter().filter_map(|trigger| {
        let route = trigger["route"].as_str()?;
        let component = trigger["component"].as_str()?.to_owned();
        if let Some(prefix) = route.strip_suffix("/...") {
            let below = path == prefix || path.starts_with(&format!("{prefix}/"));
            return below.then_some(((2, usize::MAX - prefix.len()), component));
        }
        let parts: Vec<&str> = route.split('/').collect();
        let fits = parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with(':') || part == segment);
        let parameters = parts.iter().filter(|part| part.starts_with(':')).count();
        fits.then_some(((usize::from(parameters > 0), parameters), component))
    });
    matching.min().expect("the last route takes everything").1
}

#[test]
fn every_call_has_its_component() {
    let manifest = manifest();
    for component in COMPONENTS {
        for route in component.routes {
            assert_eq!(component_of(&manifest, route.path), component.name, "{}", route.path);
        }
    }
    // And no component is given a path on which it has nothing.
    for trigger in manifest["trigger"]["http"].as_array().unwrap() {
        let (component, Some(route)) = (trigger["component"].as_str().unwrap(), trigger["route"].as_str())
        else {
            continue;
        };
        let routes = COMPONENTS.iter().find(|known| known.name == component).unwrap().routes;
        let prefix = route.strip_suffix("...").unwrap_or("\0");
        let part = |part: &str| part.strip_prefix(':').map_or(part.to_owned(), |name| format!("{{{name}}}"));
        let path = route.split('/').map(part).collect::<Vec<_>>().join("/");
        let used = routes.iter().any(|known| known.path == path || known.path.starts_with(prefix));
        assert!(used, "{component} has nothing at {route}");
    }
    assert_eq!(component_of(&manifest, "/no/such/path"), "web");
}

/// Spin's router (routefinder 0.5) inserts each route before the first one that it thinks less
/// of, and it thinks more of `/*` than of a segment that begins with a dot.
#[test]
fn the_route_for_everything_comes_first_and_the_one_with_a_dot_next() {
    let manifest = manifest();
    let triggers = manifest["trigger"]["http"].as_array().unwrap();
    let routes: Vec<&str> = triggers.iter().filter_map(|trigger| trigger["route"].as_str()).collect();
    assert_eq!(routes[..2], ["/...", "/.well-known/jwks.json"]);
    assert!(routes[2..].iter().all(|route| !route.starts_with("/.") && *route != "/..."));
}

#[test]
fn passwords_are_hashed_where_only_auth_reaches() {
    let manifest = manifest();
    let triggers = manifest["trigger"]["http"].as_array().unwrap();
    let routes: Vec<&toml::Value> = triggers
        .iter()
        .filter(|trigger| trigger["component"].as_str() == Some("passwords"))
        .map(|trigger| &trigger["route"])
        .collect();
    assert_eq!(routes, [&toml::Value::from(toml::Table::from_iter([("private".into(), true.into())]))]);
    let components = manifest["component"].as_table().unwrap();
    let may_call: Vec<&String> = components
        .iter()
        .filter(|(_, component)| {
            component.get("allowed_outbound_hosts").is_some_and(|hosts| {
                hosts
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|host| host.as_str().unwrap().contains("passwords.spin.internal"))
            })
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(may_call, ["auth"]);
    assert!(
        components["passwords"].get("variables").is_none()
            && components["passwords"].get("key_value_stores").is_none()
    );
}

#[test]
fn every_variable_is_one_that_is_read() {
    let manifest = manifest();
    let variables = manifest["variables"].as_table().unwrap();
    let mut given: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, component) in manifest["component"].as_table().unwrap() {
        let of = component.get("variables").and_then(toml::Value::as_table);
        for (variable, value) in of.into_iter().flatten() {
            assert_eq!(value.as_str().unwrap(), format!("{{{{ {variable} }}}}"), "{name}");
            assert!(variables.contains_key(variable), "{name}: {variable}");
            *given.entry(variable).or_default() += 1;
            if name == "auth" {
                let read = framelift_edge::accounts::Config::VARIABLES;
                assert!(read.contains(&variable.as_str()), "{name}: nobody reads {variable}");
            } else {
                assert!(NAMES.contains(&variable.as_str()), "{name}: nobody reads {variable}");
            }
        }
    }
    for name in NAMES {
        assert!(given.contains_key(name), "no component is given {name}");
    }
    let secret = |name: &str| variables[name].get("secret").and_then(toml::Value::as_bool) == Some(true);
    for name in [
        "signing_key",
        "email_key",
        "refresh_keys",
        "frames_key",
        "worker_token",
        "aws_access_key_id",
        "aws_secret_access_key",
    ] {
        assert!(secret(name), "{name}");
    }
    let holders: Vec<&String> = manifest["component"]
        .as_table()
        .unwrap()
        .iter()
        .filter(|(_, component)| component.get("variables").is_some_and(|of| of.get("signing_key").is_some()))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(holders, ["auth"], "only one component signs");
}

#[test]
fn the_defaults_are_those_of_the_code() {
    let manifest = manifest();
    let default =
        |name: &str| -> u64 { manifest["variables"][name]["default"].as_str().unwrap().parse().unwrap() };
    let limits = framelift_domain::Limits::default();
    for (name, value) in [
        ("max_in_flight_per_user", u64::from(limits.max_in_flight_per_user)),
        ("max_open_per_user", u64::from(limits.max_open_per_user)),
        ("max_stored_bytes_per_user", limits.max_stored_bytes_per_user),
        ("max_uploads_per_day", u64::from(limits.max_uploads_per_day)),
        ("max_decoded_minutes_per_day", u64::from(limits.max_decoded_minutes_per_day)),
        ("max_requests_per_minute", u64::from(limits.max_requests_per_minute)),
        ("max_plugins_per_user", u64::from(limits.max_plugins_per_user)),
        ("max_plugin_bytes_per_user", limits.max_plugin_bytes_per_user),
        ("max_upload_bytes", limits.max_upload_bytes),
        ("single_put_bytes", limits.single_put_bytes),
        ("upload_ttl_s", u64::from(limits.upload_ttl_s)),
        ("url_ttl_s", u64::from(limits.url_ttl_s)),
        ("lease_s", u64::from(limits.lease_s)),
        ("retention_s", u64::from(limits.retention_s)),
        ("max_releases", u64::from(limits.max_releases)),
        ("max_job_s", u64::from(limits.max_job_s)),
        ("resend_after_s", u64::from(limits.resend_after_s)),
        ("take_back_after_s", u64::from(limits.take_back_after_s)),
    ] {
        assert_eq!(default(name), value, "{name}");
    }
}
