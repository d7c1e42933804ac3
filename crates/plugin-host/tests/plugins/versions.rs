//! Plugins and hosts of different versions of the world.

use std::collections::BTreeMap;

use framelift_media::Filter as _;
use framelift_plugin_host::{PluginLimits, WORLD};
use wasmtime::component::{Component, Linker, ResourceType};
use wasmtime::{Engine, Store};

use crate::guest::{GIVE_BACK, GUEST, Guest, IMPORTS, host, load, picture};

/// The world as it was published, without its documentation.
const PUBLISHED: &str = include_str!("frame-plugin-1.0.wit");

/// What each block of a WIT text has, by the block's path.
fn blocks(wit: &str) -> BTreeMap<String, Vec<String>> {
    let lines = wit.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ").replace("->", "→");
    let (mut blocks, mut path, mut item) = (BTreeMap::<_, Vec<String>>::new(), Vec::new(), String::new());
    let (mut brackets, mut names) = (0_i32, false);
    for letter in text.chars() {
        brackets += match letter {
            '(' | '<' => 1,
            ')' | '>' => -1,
            _ => 0,
        };
        match letter {
            // Names that are used of an interface, not a block.
            '{' if item.ends_with('.') => names = true,
            '{' => {
                path.push(std::mem::take(&mut item).trim().to_owned());
                continue;
            }
            '}' if names => names = false,
            '}' | ';' | ',' if brackets == 0 && !names => {
                let ended = std::mem::take(&mut item).split_whitespace().collect::<Vec<_>>().join(" ");
                if !ended.is_empty() {
                    blocks.entry(path.join(" / ")).or_default().push(ended);
                }
                if letter == '}' {
                    path.pop();
                }
                continue;
            }
            _ => {}
        }
        item.push(letter);
    }
    blocks
}

/// What of the published world another one lacks or has otherwise.
fn broken(wit: &str) -> Vec<String> {
    let now = blocks(wit);
    let mut broken = Vec::new();
    for (path, items) in blocks(PUBLISHED) {
        let has = now.get(&path).cloned().unwrap_or_default();
        // The order of a record's fields and of cases is what is compiled into a plugin.
        let data = ["record ", "enum ", "variant "].iter().any(|kind| path.contains(kind));
        if data && has != items {
            broken.push(path);
            continue;
        }
        let missing = items.iter().filter(|item| !has.contains(item) && !item.starts_with("package "));
        broken.extend(missing.map(|item| format!("{path}: {item}")));
    }
    broken
}

#[test]
fn the_published_world_has_not_changed() {
    assert_eq!(broken(WORLD), [""; 0], "a published version does not change: docs/adr/0030");
    // What is added needs a version of its own.
    let is_as_published =
        |world: &str| !world.contains("framelift:plugin@1.0.0;") || blocks(world) == blocks(PUBLISHED);
    assert!(is_as_published(WORLD));
    assert!(!is_as_published(&WORLD.replace("grayscale: func();", "grayscale: func(); invert: func();")));
    assert_eq!(broken(&newer_world()), [""; 0]);
    for (from, to, path) in [
        ("        keep,", "        keep, other,", "interface frames / variant verdict"),
        ("left, center, right", "center, left, right", "interface frames / enum corner"),
        ("size: f32", "size: u32", "interface frames / record text-style"),
        (
            "grayscale: func();",
            "grayscale: func(much: f32);",
            "interface frames / resource image: grayscale: func()",
        ),
        (
            "export finish: func() -> result<option<string>, string>;",
            "",
            "world frame-plugin: export finish: func() → result<option<string>, string>",
        ),
        (
            "use frames.{image, verdict};",
            "use frames.{image};",
            "world frame-plugin: use frames.{image, verdict}",
        ),
    ] {
        assert!(WORLD.contains(from), "{from}");
        assert_eq!(broken(&WORLD.replace(from, to)), [path]);
    }
}

#[test]
fn a_plugin_built_for_the_published_world_runs_here() {
    let process = format!("(drop (call $width (local.get 0))) {GIVE_BACK} (i32.const 0)");
    let component = Guest { process: &process, ..GUEST }.build_for(PUBLISHED, IMPORTS);
    let code = load(&host(PluginLimits::default()), &component).unwrap();
    code.start("it", "1", "{}").unwrap().process(picture(0)).unwrap();
}

/// The world as it may be one day: with a function more.
fn newer_world() -> String {
    let world = WORLD.replace("framelift:plugin@1.0.0", "framelift:plugin@1.1.0");
    world.replace("        grayscale: func();", "        grayscale: func();\n        invert: func();")
}

#[test]
fn a_plugin_built_for_1_0_runs_where_the_world_has_a_function_more() {
    let process = format!("(drop (call $width (local.get 0))) {GIVE_BACK} (i32.const 0)");
    let plugin = Guest { process: &process, ..GUEST };
    // Only what it uses.
    let imports: String =
        IMPORTS.lines().filter(|line| line.contains("$drop ") || line.contains("$width ")).collect();
    let component = plugin.build_for(WORLD, &imports);
    // A host of 1.1.
    let engine = Engine::default();
    let mut linker = Linker::<Vec<&str>>::new(&engine);
    let mut frames = linker.instance("framelift:plugin/frames@1.1.0").unwrap();
    struct Frame;
    frames.resource("image", ResourceType::host::<Frame>(), |_, _| Ok(())).unwrap();
    type Called = wasmtime::component::Resource<Frame>;
    frames
        .func_wrap("[method]image.width", |mut store, (_,): (Called,)| {
            store.data_mut().push("width");
            Ok((8_u32,))
        })
        .unwrap();
    frames.func_wrap("[method]image.invert", |_, (_,): (Called,)| Ok(())).unwrap();
    linker.instance("framelift:plugin/logging@1.1.0").unwrap();
    let component = Component::new(&engine, component).unwrap();
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let process = instance.get_func(&mut store, "process").unwrap();
    let frame = Called::new_own(1).try_into_resource_any(&mut store).unwrap();
    let mut results = [wasmtime::component::Val::Bool(false)];
    process.call(&mut store, &[wasmtime::component::Val::Resource(frame)], &mut results).unwrap();
    assert_eq!(*store.data(), ["width"]);
}

#[test]
fn a_plugin_of_a_newer_world_runs_unless_it_needs_what_is_new() {
    let host = host(PluginLimits::default());
    let imports = IMPORTS.replace("@1.0.0", "@1.1.0");
    let component = GUEST.build_for(&newer_world(), &imports);
    load(&host, &component).unwrap().check("it").unwrap();

    let invert =
        r#"(import "framelift:plugin/frames@1.1.0" "[method]image.invert" (func $invert (param i32)))"#;
    let component = GUEST.build_for(&newer_world(), &format!("{imports} {invert}"));
    let words = load(&host, &component).unwrap_err().0;
    assert!(words.starts_with("does not fit the world framelift:plugin/frame-plugin@1.0.0: "), "{words}");
    assert!(words.contains("image.invert"), "{words}");

    let breaking = WORLD.replace("framelift:plugin@1.0.0", "framelift:plugin@2.0.0");
    let component = GUEST.build_for(&breaking, &IMPORTS.replace("@1.0.0", "@2.0.0"));
    let words = load(&host, &component).unwrap_err().0;
    assert!(words.contains("framelift:plugin/frames@2.0.0"), "{words}");
}
