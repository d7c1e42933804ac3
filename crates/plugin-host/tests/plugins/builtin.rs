//! The plugins that come with the product, and their descriptions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use framelift_contract::plugin::builtin;
use framelift_domain::Checksum;
use framelift_plugin_host::{PluginLimits, built_in, pinned_built_in};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::guest::{host, load};

#[test]
fn jobs_are_pinned_to_the_components_that_are_here() {
    for plugin in builtin::ALL.iter() {
        let component = built_in(&plugin.name).unwrap();
        assert_eq!(Checksum::of(component), plugin.sha256, "{}", plugin.name);
        assert_eq!(component.len() as u64, plugin.size_bytes);
        assert_eq!(pinned_built_in(&plugin.name, plugin.sha256), Some(component));
        assert_eq!(pinned_built_in("other", plugin.sha256), None);
        assert_eq!(pinned_built_in(&plugin.name, [0; 32].into()), None);
    }
}

#[test]
fn jobs_of_the_release_before_run_the_components_of_that() {
    let components: Value =
        serde_json::from_str(include_str!("../../../contract/src/plugin/builtin/components.json")).unwrap();
    for plugin in builtin::ALL.iter() {
        let mut of_name =
            components.as_array().unwrap().iter().filter(|it| it["name"] == plugin.name.as_str());
        let before = of_name.rfind(|it| it["version"].as_u64() < Some(plugin.version.into()));
        let Some(before) = before else { continue };
        let sha256: Checksum = serde_json::from_value(before["sha256"].clone()).unwrap();
        assert!(pinned_built_in(&plugin.name, sha256).is_some(), "{before}");
    }
}

/// Small PNG files of several kinds.
fn pngs() -> Vec<Vec<u8>> {
    use png::{BitDepth, ColorType};
    let kinds = [
        (ColorType::Rgba, BitDepth::Eight, 4),
        (ColorType::Rgb, BitDepth::Sixteen, 6),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, 2),
        (ColorType::Grayscale, BitDepth::One, 1),
        (ColorType::Indexed, BitDepth::Eight, 1),
    ];
    kinds
        .into_iter()
        .map(|(color, depth, bytes)| {
            let mut file = Vec::new();
            let mut encoder = png::Encoder::new(&mut file, 1, 1);
            encoder.set_color(color);
            encoder.set_depth(depth);
            if color == ColorType::Indexed {
                encoder.set_palette(vec![1, 2, 3]);
            }
            encoder.write_header().unwrap().write_image_data(&vec![0; bytes]).unwrap();
            file
        })
        .collect()
}

/// PNG files in Base64, some of them damaged.
fn png() -> BoxedStrategy<String> {
    let whole = proptest::sample::select(pngs());
    let damaged = (whole.clone(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(mut file, at, byte, cut)| {
            let at = at.index(file.len());
            file[at] = byte;
            file.truncate(if cut { at } else { file.len() });
            file
        },
    );
    let file = prop_oneof![whole, damaged].prop_map(|file| STANDARD.encode(file));
    prop_oneof![4 => file, 1 => "[A-Za-z0-9+/=]{0,9}"].boxed()
}

/// Values around what a schema takes.
fn values(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<Value> = words.iter().cloned().chain([json!("other")]).collect();
        return proptest::sample::select(words).boxed();
    }
    match schema["type"].as_str().unwrap() {
        "integer" | "number" => {
            let least = schema["minimum"].as_f64().unwrap();
            let most = schema["maximum"].as_f64().unwrap_or(1e6);
            let ends = [least - 1.0, least, most, most + 1.0]
                .map(|end| prop_oneof![Just(json!(end)), Just(json!(end as i64)),]);
            let [a, b, c, d] = ends;
            let within = (least..most).prop_map(|number| json!(number));
            let whole = (least..most).prop_map(|number| json!(number.trunc()));
            let integer = (least..most).prop_map(|number| json!(number as i64));
            let wrong = prop_oneof![a, d, within, Just(Value::Null)];
            prop_oneof![3 => wrong, 3 => b, 3 => c, 3 => whole, 12 => integer].boxed()
        }
        "string" if schema["contentEncoding"] == "base64" => png().prop_map(Value::from).boxed(),
        "string" => ".{0,8}".prop_map(Value::from).boxed(),
        "array" => {
            let least = schema["minItems"].as_u64().unwrap() as usize;
            let most = (schema["maxItems"].as_u64().unwrap() as usize).min(least + 2);
            vec(values(&schema["items"]), least.saturating_sub(1)..=most + 1).prop_map(Value::from).boxed()
        }
        "object" => {
            let mut object = Just(Map::new()).boxed();
            for (name, property) in schema["properties"].as_object().unwrap() {
                let required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
                let chance = if required { 0.98 } else { 0.4 };
                let field = proptest::option::weighted(chance, values(property));
                let name = name.clone();
                let with = move |(mut object, field): (Map<String, Value>, Option<Value>)| {
                    object.extend(field.map(|value| (name.clone(), value)));
                    object
                };
                object = (object, field).prop_map(with).boxed();
            }
            object.prop_map(Value::Object).boxed()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_component_takes_every_configuration_that_its_schema_takes() {
    let host = host(PluginLimits::default());
    let mut runner = TestRunner::deterministic();
    for plugin in builtin::ALL.iter() {
        let code = load(&host, built_in(&plugin.name).unwrap()).unwrap();
        let configurations = values(&Value::Object(plugin.config_schema.clone()));
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..400 {
            let config = configurations.new_tree(&mut runner).unwrap().current();
            match plugin.check(config.as_object().unwrap(), "") {
                Ok(config) => {
                    let started = code.start(&plugin.name, "1", &Value::Object(config.clone()).to_string());
                    assert!(started.is_ok(), "{} {config:?}: {:?}", plugin.name, started.err());
                    taken += 1;
                }
                Err(_) => refused += 1,
            }
        }
        let always = plugin.name == "grayscale";
        assert!(taken > 10 && (always || refused > 10), "{}: {taken} and {refused}", plugin.name);
    }
}
