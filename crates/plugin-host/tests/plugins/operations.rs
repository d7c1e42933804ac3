//! What plugins do with frames.

use std::time::Duration;

use framelift_media::Filter as _;
use framelift_media::filter::{Picture, Rgb};
use framelift_plugin_host::{Metering, PluginLimits, Rejected};

use crate::guest::{ERROR, GIVE_BACK, GUEST, Guest, host, load, picture, process, start};

/// The frame after these calls.
fn after(calls: &str) -> Picture {
    let body = format!("{calls} {GIVE_BACK} (i32.const 0)");
    process(Guest { process: &body, ..GUEST }).unwrap().picture
}

fn pixel(rgb: &Rgb, x: usize, y: usize) -> [u8; 3] {
    let at = (y * rgb.width as usize + x) * 3;
    rgb.bytes[at..at + 3].try_into().unwrap()
}

#[test]
fn a_plugin_that_only_looks_leaves_the_frame_as_it_was() {
    let looks = "(call $thumbnail (local.get 0) (i32.const 8) (i32.const 8) (i32.const 0) (i32.const 128))
        (call $pixels (local.get 0) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 9) (i32.const 1)
            (i32.const 128))";
    assert_eq!(after(looks).rgb().unwrap(), picture(0).rgb().unwrap());
}

#[test]
fn crops_and_fills() {
    let rgb = after(
        "(call $crop (local.get 0) (i32.const 10) (i32.const 20) (i32.const 30) (i32.const 40))
         (call $fill (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
            (i32.const 255) (i32.const 128) (i32.const 0))",
    )
    .rgb()
    .unwrap();
    assert_eq!((rgb.width, rgb.height), (30, 40));
    assert_eq!(pixel(&rgb, 0, 0), [10, 20, 200]);
    assert_eq!([pixel(&rgb, 1, 2), pixel(&rgb, 3, 5)], [[255, 128, 0]; 2]);
    assert_eq!([pixel(&rgb, 0, 2), pixel(&rgb, 4, 6)], [[10, 22, 200], [14, 26, 200]]);
}

#[test]
fn resizes_and_removes_colors() {
    let smaller = after("(call $resize (local.get 0) (i32.const 48) (i32.const 16))");
    assert_eq!((smaller.width(), smaller.height()), (48, 16));
    let rgb =
        after("(call $resize (local.get 0) (i32.const 48) (i32.const 32)) (call $grayscale (local.get 0))")
            .rgb()
            .unwrap();
    assert_eq!((rgb.width, rgb.height), (48, 32));
    assert!(rgb.bytes.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    // Luma of 40, 30, 200 is 52.
    assert!(pixel(&rgb, 20, 15)[0].abs_diff(52) <= 2, "{:?}", pixel(&rgb, 20, 15));
}

#[test]
fn blurs_a_rectangle_and_nothing_else() {
    let before = picture(0).rgb().unwrap();
    let rgb = after(
        "(call $fill (local.get 0) (i32.const 40) (i32.const 20) (i32.const 1) (i32.const 20)
            (i32.const 255) (i32.const 255) (i32.const 255))
         (call $blur (local.get 0) (i32.const 30) (i32.const 20) (i32.const 20) (i32.const 20) (f32.const 3))",
    )
    .rgb()
    .unwrap();
    assert_eq!([pixel(&rgb, 29, 30), pixel(&rgb, 50, 30)], [pixel(&before, 29, 30), pixel(&before, 50, 30)]);
    let (line, beside) = (pixel(&rgb, 40, 30), pixel(&rgb, 42, 30));
    assert!(line[0] < 120 && beside[0] > 45, "{line:?} {beside:?}");
}

#[test]
fn draws_text_where_it_belongs() {
    for (corner, column, row) in [(0, 0, 0), (4, 1, 1), (8, 2, 2), (2, 2, 0)] {
        let rgb = after(&format!(
            "(call $draw-text (local.get 0) (i32.const 64) (i32.const 2) (i32.const {corner}) (i32.const 1)
                (f32.const 14) (i32.const 255) (i32.const 255) (i32.const 255) (f32.const 1))"
        ))
        .rgb()
        .unwrap();
        let before = picture(0).rgb().unwrap();
        let changed = |x: usize, y: usize| pixel(&rgb, x, y) != pixel(&before, x, y);
        let places: Vec<_> =
            (0..96).flat_map(|x| (0..64).map(move |y| (x, y))).filter(|(x, y)| changed(*x, *y)).collect();
        assert!(places.len() > 20, "{places:?}");
        let within =
            |at: usize, third: usize, whole: usize| at * 3 >= third * whole && at * 3 < (third + 1) * whole;
        assert!(
            places.iter().all(|(x, y)| within(*x, column, 96) && within(*y, row, 64)),
            "{corner}: {places:?}"
        );
    }
}

#[test]
fn overlays_and_pixels_blend_by_their_opacity() {
    // 2x1 pixels: opaque red, and green of which half is seen; the second time only partly within the frame.
    let rgb = after(
        "(i32.store (i32.const 256) (i32.const 0xff0000ff))
         (i32.store (i32.const 260) (i32.const 0x8000ff00))
         (call $overlay (local.get 0) (i32.const 256) (i32.const 8) (i32.const 2) (i32.const 1)
            (i32.const 10) (i32.const 10) (f32.const 1))
         (call $overlay (local.get 0) (i32.const 256) (i32.const 8) (i32.const 2) (i32.const 1)
            (i32.const -1) (i32.const 0) (f32.const 0.5))
         (call $set-pixels (local.get 0) (i32.const 20) (i32.const 20) (i32.const 2) (i32.const 1)
            (i32.const 1) (i32.const 256) (i32.const 8))
         (call $set-pixels (local.get 0) (i32.const 30) (i32.const 20) (i32.const 1) (i32.const 1)
            (i32.const 0) (i32.const 256) (i32.const 3))",
    )
    .rgb()
    .unwrap();
    assert_eq!(pixel(&rgb, 10, 10), [255, 0, 0]);
    assert_eq!(pixel(&rgb, 11, 10), [5, 133, 100]);
    assert_eq!(pixel(&rgb, 0, 0), [0, 64, 150]);
    assert_eq!([pixel(&rgb, 20, 20), pixel(&rgb, 30, 20)], [[255, 0, 0]; 2]);
    assert_eq!(pixel(&rgb, 21, 20), [10, 138, 100]);
}

#[test]
fn thumbnails_show_what_was_changed() {
    // Half of the frame is made white, and the thumbnail's first pixel is that.
    let body = format!(
        "(call $fill (local.get 0) (i32.const 0) (i32.const 0) (i32.const 48) (i32.const 64)
            (i32.const 255) (i32.const 255) (i32.const 255))
         (call $thumbnail (local.get 0) (i32.const 8) (i32.const 8) (i32.const 0) (i32.const 128))
         {GIVE_BACK}
         (if (i32.ne (i32.load8_u (i32.load (i32.const 128))) (i32.const 255)) (then (return {ERROR})))
         (i32.const 0)"
    );
    process(Guest { process: &body, ..GUEST }).unwrap();
}

#[test]
fn a_check_tries_a_frame_and_reports_the_schema() {
    let host = host(PluginLimits::default());
    let check = |guest: Guest<'_>| load(&host, &guest.build()).unwrap().check("it");
    let checked = check(GUEST).unwrap();
    assert_eq!((checked.config_schema, checked.refuses_empty), (None, None));
    let refuses = check(Guest { configure: ERROR, process: "unreachable", ..GUEST }).unwrap();
    assert_eq!(refuses.refuses_empty.as_deref(), Some("as configured"));
    let Rejected(words) = check(Guest { process: "unreachable", ..GUEST }).unwrap_err();
    assert!(words.starts_with("failed on a test frame: trapped: "), "{words}");

    let schema = |text: &str| {
        let (length, text) = (text.len(), text.replace('"', "\\\""));
        let more = format!(
            r#"(func (export "config-schema") (result i32)
                (i32.store (i32.const 128) (i32.const 300)) (i32.store (i32.const 132) (i32.const {length}))
                (i32.const 128))
               (data (i32.const 300) "{text}")"#
        );
        check_with_schema(&more).map(|checked| checked.config_schema)
    };
    let value = schema(r#"{"type":"object"}"#).unwrap().unwrap();
    assert_eq!(value, serde_json::json!({ "type": "object" }));
    assert_eq!(schema("[1]").unwrap_err().0, "its config-schema is not a JSON object");
}

pub(crate) fn check_with_schema(more: &str) -> Result<framelift_plugin_host::Checked, Rejected> {
    // The world that asks for it, under the name that components are built for here.
    let world = framelift_plugin_host::WORLD
        .replace("world frame-plugin {", "world other {")
        .replace("include frame-plugin;", "include other;")
        .replace("world configurable-frame-plugin {", "world frame-plugin {");
    let component = Guest { more, ..GUEST }.build_for(&world, crate::guest::IMPORTS);
    load(&host(PluginLimits::default()), &component)?.check("it")
}

#[test]
fn usage_is_counted() {
    let mut plugin = start(GUEST).unwrap();
    for index in 0..3 {
        plugin.process(picture(index)).unwrap();
    }
    let usage = plugin.record().lock().unwrap().usage;
    assert_eq!((usage.frames, usage.memory_bytes, usage.fuel), (3, 128 << 10, 0));
    assert!(usage.longest <= usage.time);
    // Starting it is not a part of what a frame costs.
    assert!(Duration::ZERO < usage.frame_time && usage.frame_time < usage.time, "{usage:?}");

    let counting = framelift_plugin_host::Host::new(PluginLimits::default(), Metering::TimeAndFuel).unwrap();
    let mut plugin = load(&counting, &GUEST.build()).unwrap().start("it", "1", "{}").unwrap();
    plugin.process(picture(0)).unwrap();
    let once = plugin.record().lock().unwrap().usage;
    plugin.process(picture(1)).unwrap();
    let twice = plugin.record().lock().unwrap().usage;
    assert!(once.fuel > 0 && twice.fuel > once.fuel, "{once:?} {twice:?}");
    assert!(once.frame_fuel < once.fuel && twice.frame_fuel == 2 * once.frame_fuel, "{once:?} {twice:?}");
}
