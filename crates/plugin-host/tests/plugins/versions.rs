//! Plugins and hosts of different versions of the world.

use framelift_plugin_host::{PluginLimits, WORLD};
use wasmtime::component::{Component, Linker, ResourceType};
use wasmtime::{Engine, Store};

use crate::guest::{GIVE_BACK, GUEST, Guest, IMPORTS, host, load};

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
