//! Tests of accepted and refused manifests.

use super::*;

fn parse(text: &str) -> Result<Manifest, Vec<String>> {
    Manifest::parse(Path::new("app/spin.toml"), text)
}

const GOOD: &str = r#"
spin_manifest_version = 2

[application]
name = "shop"
version = "1.0.0"
description = "sells"
authors = ["somebody"]

[variables]
store_host = { default = "localhost" }
key = { required = true, secret = true, description = "signs" }

[[trigger.http]]
route = "/cart/..."
component = "cart"

[[trigger.http]]
id = "inside"
route = { private = true }
component = "cart"

[component.cart]
source = "out/cart.wasm"
description = "holds"
allowed_outbound_hosts = ["http://{{ store_host }}:9000"]
key_value_stores = ["default"]
files = []
[component.cart.variables]
key = "{{ key }}"
[component.cart.environment]
RUST_LOG = "info"
[component.cart.build]
command = "make"
workdir = "."
watch = ["src"]
"#;

#[test]
fn a_good_manifest_is_read() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("shop", "1.0.0"));
    assert_eq!(manifest.triggers[0].route.as_deref(), Some("/cart/..."));
    assert_eq!(manifest.triggers[1].route, None);
    let cart = &manifest.components["cart"];
    assert_eq!(cart.source, Path::new("app/out/cart.wasm"));
    assert!(cart.key_value_stores.contains("default"));
    assert_eq!(cart.environment["RUST_LOG"], "info");
    assert_eq!(cart.variables["key"].to_string(), "{{ key }}");
    assert_eq!(manifest.variables["key"].default, None);
    assert_eq!(manifest.variables["store_host"].default.as_deref(), Some("localhost"));
}

#[test]
fn all_problems_are_listed_with_their_keys() {
    let problems = parse(
        r#"
spin_manifest_version = 1
colour = "red"
[application]
version = 3
trigger = { base = "/" }
[variables]
Loud = { default = "a" }
empty = {}
both = { default = "a", required = true, loud = true }
[[trigger.http]]
route = "cart"
component = "nobody"
executor = "wagi"
[[trigger.http]]
route = { private = false }
component = "cart"
[[trigger.http]]
route = "/.well-known/spin/x"
component = "cart"
[[trigger.redis]]
channel = "x"
[component.cart]
sorce = "a.wasm"
files = ["a"]
allowed_outbound_hosts = ["http://{{ nowhere }}", "http://{{ open"]
key_value_stores = "default"
variables = { x = "{{ gone }}" }
build = { comand = "make" }
[component.Cart_2]
source = { url = "x" }
"#,
    )
    .unwrap_err();
    for expected in [
        "spin_manifest_version: 1 is not 2",
        "colour: this host does not know the key",
        "application.name: is missing",
        "application.version: integer is not a text",
        "application.trigger: this host does not know the key",
        "variables.Loud: the name may hold only",
        "variables.empty: needs `default` or `required = true`",
        "variables.both: a required variable cannot have a default",
        "variables.both.loud: this host does not know the key",
        "trigger.http[0].route: `cart` does not start with `/`",
        "trigger.http[0].executor: this host does not know the key",
        "trigger.http: there is no component `nobody`",
        "trigger.http[1].route: ",
        "trigger.http[2].route: `/.well-known/spin/x` is the server's own",
        "trigger.redis: this host does not know the key",
        "component.cart.source: is missing",
        "component.cart.sorce: this host does not know the key",
        "component.cart.files: this host gives components no files",
        "component.cart.allowed_outbound_hosts: there is no variable `nowhere`",
        "component.cart.allowed_outbound_hosts: `http://{{ open` has a `{{`",
        "component.cart.key_value_stores: string is not a list",
        "component.cart.variables.x: there is no variable `gone`",
        "component.cart.build.comand: this host does not know the key",
        "component.Cart_2: an id is made of",
        "component.Cart_2: no trigger leads to it",
        "component.Cart_2.source: table is not a text",
    ] {
        let found = problems.iter().any(|problem| problem.starts_with(expected));
        assert!(found, "{expected}\nis not among\n{}", problems.join("\n"));
    }
}

#[test]
fn a_route_is_given_once() {
    let text = format!("{GOOD}\n[[trigger.http]]\nroute = \"/cart/...\"\ncomponent = \"cart\"\n");
    let problems = parse(&text).unwrap_err();
    assert_eq!(problems, ["trigger.http: route `/cart/...` is given twice"]);
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let problems = parse("spin_manifest_version = ").unwrap_err();
    assert!(problems[0].contains("line 1"), "{problems:?}");
}

#[test]
fn files_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spin.toml");
    let missing = Manifest::load(&file).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
    std::fs::write(&file, GOOD).unwrap();
    let missing = Manifest::load(&file).unwrap_err().to_string();
    assert!(missing.contains("component.cart.source: there is no file"), "{missing}");
    assert!(missing.contains(&*file.to_string_lossy()), "{missing}");
}
