//! Components of the world, made from the bodies of their functions in WebAssembly text.

use framelift_plugin_host::WORLD;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a function returns: addresses of results that lie in memory.
pub(crate) const OK: &str = "(i32.const 0)";
pub(crate) const DROP: &str = "(i32.const 16)";
pub(crate) const HOLD: &str = "(i32.const 32)";
/// An error of the words in [`GUEST`].
pub(crate) const ERROR: &str = "(i32.const 48)";
/// Ends the loan of the frame, as every call for a frame must.
pub(crate) const GIVE_BACK: &str = "(call $drop (local.get 0))";

/// All that the world offers, under short names.
pub(crate) const IMPORTS: &str = r#"
  (import "framelift:plugin/frames@1.0.0" "[resource-drop]image" (func $drop (param i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.width" (func $width (param i32) (result i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.height" (func $height (param i32) (result i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.time" (func $time (param i32) (result f64)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.keyframe" (func $keyframe (param i32) (result i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.index" (func $index (param i32) (result i64)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.thumbnail"
    (func $thumbnail (param i32 i32 i32 i32 i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.pixels"
    (func $pixels (param i32 i32 i32 i32 i32 i32 i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.set-pixels"
    (func $set-pixels (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.crop" (func $crop (param i32 i32 i32 i32 i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.resize" (func $resize (param i32 i32 i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.blur" (func $blur (param i32 i32 i32 i32 i32 f32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.fill"
    (func $fill (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.grayscale" (func $grayscale (param i32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.draw-text"
    (func $draw-text (param i32 i32 i32 i32 i32 f32 i32 i32 i32 f32)))
  (import "framelift:plugin/frames@1.0.0" "[method]image.overlay"
    (func $overlay (param i32 i32 i32 i32 i32 i32 i32 f32)))
  (import "framelift:plugin/frames@1.0.0" "decide" (func $decide (param i64 i32 i32 i32)))
  (import "framelift:plugin/logging@1.0.0" "log" (func $log (param i32 i32 i32)))"#;

/// The bodies of a plugin's functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest<'a> {
    pub(crate) configure: &'a str,
    pub(crate) process: &'a str,
    pub(crate) finish: &'a str,
    /// What the function that makes room for arguments does first.
    pub(crate) realloc: &'a str,
    /// More of the module.
    pub(crate) more: &'a str,
}

/// A plugin that keeps every frame.
pub(crate) const GUEST: Guest<'_> = Guest {
    configure: OK,
    process: "(call $drop (local.get 0)) (i32.const 0)",
    finish: OK,
    realloc: "",
    more: "",
};

impl Guest<'_> {
    /// The component's bytes.
    pub(crate) fn build(self) -> Vec<u8> {
        self.build_for(WORLD, IMPORTS)
    }

    pub(crate) fn build_for(self, world: &str, imports: &str) -> Vec<u8> {
        let Self { configure, process, finish, realloc, more } = self;
        let text = format!(
            r#"(module {imports}
              (memory (export "memory") 2)
              (global $heap (mut i32) (i32.const 65536))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                {realloc}
                (local.set $at (global.get $heap))
                (global.set $heap (i32.and (i32.const -8)
                  (i32.add (i32.const 7) (i32.add (global.get $heap) (local.get 3)))))
                (if (i32.gt_u (global.get $heap) (i32.shl (memory.size) (i32.const 16)))
                  (then (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16)))))))
                (local.get $at))
              (data (i32.const 16) "\00\00\00\00\01")
              (data (i32.const 32) "\00\00\00\00\03")
              (data (i32.const 48) "\01\00\00\00\40\00\00\00\0d\00\00\00")
              (data (i32.const 64) "as configured")
              (func (export "configure") (param i32 i32) (result i32) {configure})
              (func (export "process") (param i32) (result i32) (local $i i32) {process})
              (func (export "finish") (result i32) {finish})
              {more})"#
        );
        let mut module = wat::parse_str(&text).unwrap();
        let mut resolve = Resolve::default();
        let package = resolve.push_source("plugin.wit", world).unwrap();
        let world = resolve.select_world(&[package], Some("frame-plugin")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
    }
}
