//! What a hostile plugin tries, and the words with which it ends.

use std::time::Duration;

use framelift_media::Filter as _;
use framelift_media::filter::{FilterError, Verdict};
use framelift_plugin_host::{PluginLimits, Rejected};

use crate::guest::{DROP, ERROR, GIVE_BACK, GUEST, Guest, HOLD, OK, host, load, picture, process, start};
use crate::operations::check_with_schema;

const LOOP: &str = "(loop $again (br $again)) unreachable";

/// How it ends within bounds of a few milliseconds: configured, with a frame, finished.
fn within(limits: PluginLimits, guest: Guest<'_>) -> Result<(), FilterError> {
    let mut plugin = load(&host(limits), &guest.build()).unwrap().start("it", "1", "{}")?;
    plugin.process(picture(0))?;
    plugin.finish().map(drop)
}

fn short() -> PluginLimits {
    PluginLimits { call: Duration::from_millis(20), ..PluginLimits::default() }
}

fn words(result: Result<(), FilterError>) -> String {
    result.unwrap_err().0
}

/// The same body in each of the three functions.
fn everywhere(body: &str) -> [Guest<'_>; 3] {
    [Guest { configure: body, ..GUEST }, Guest { process: body, ..GUEST }, Guest { finish: body, ..GUEST }]
}

#[test]
fn an_endless_loop_ends_with_its_call() {
    for guest in everywhere(LOOP) {
        assert_eq!(words(within(short(), guest)), "took more than 20 ms in one call");
    }
}

#[test]
fn all_calls_together_may_not_take_longer_than_the_video_may() {
    let limits = PluginLimits { video: Duration::ZERO, ..PluginLimits::default() };
    let guest = Guest { configure: LOOP, ..GUEST };
    assert_eq!(words(within(limits, guest)), "took more than 0 s for the video");
}

#[test]
fn ten_million_calls_of_the_host_count_as_its_own_time() {
    let calls = "(loop $again
        (drop (call $width (local.get 0)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 10000000))))
        (call $drop (local.get 0)) (i32.const 0)";
    assert_eq!(words(within(short(), Guest { process: calls, ..GUEST })), "took more than 20 ms in one call");
    let logs = "(loop $again
        (call $log (i32.const 0) (i32.const 0) (i32.const 60000))
        (br $again)) unreachable";
    assert_eq!(words(within(short(), Guest { finish: logs, ..GUEST })), "took more than 20 ms in one call");
}

/// How a plugin fails that uses these host functions one after the other, without a loop, and how long the call takes.
fn straight(calls: &str) -> (String, Duration) {
    let process = format!("{calls} unreachable");
    let guest = Guest { process: &process, ..GUEST };
    let mut plugin = load(&host(short()), &guest.build()).unwrap().start("it", "1", "{}").unwrap();
    let error = plugin.process(picture(0)).unwrap_err().0;
    let longest = plugin.record().lock().unwrap().usage.longest;
    (error, longest)
}

#[test]
fn thousands_of_operations_without_a_loop_end_with_the_call() {
    let blur =
        "(call $blur (local.get 0) (i32.const 0) (i32.const 0) (i32.const 96) (i32.const 64) (f32.const 90))";
    let text = "(call $draw-text (local.get 0) (i32.const 64) (i32.const 13) (i32.const 0) (i32.const 1)
        (f32.const 30) (i32.const 255) (i32.const 255) (i32.const 255) (f32.const 1))";
    for calls in [blur.repeat(20_000), [text, blur].concat().repeat(10_000)] {
        let (error, took) = straight(&calls);
        assert_eq!(error, "took more than 20 ms in one call");
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
}

#[test]
fn no_function_of_the_host_begins_after_the_call_has_had_its_time() {
    // One operation that alone takes longer.
    let long = "(call $resize (local.get 0) (i32.const 4000) (i32.const 4000))";
    let area = "(i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)";
    for call in [
        "(drop (call $width (local.get 0)))",
        "(drop (call $height (local.get 0)))",
        "(drop (call $time (local.get 0)))",
        "(drop (call $index (local.get 0)))",
        "(drop (call $keyframe (local.get 0)))",
        "(call $thumbnail (local.get 0) (i32.const 8) (i32.const 8) (i32.const 0) (i32.const 128))",
        &format!("(call $pixels (local.get 0) {area} (i32.const 0) (i32.const 128))"),
        &format!("(call $set-pixels (local.get 0) {area} (i32.const 0) (i32.const 0) (i32.const 3))"),
        &format!("(call $crop (local.get 0) {area})"),
        "(call $resize (local.get 0) (i32.const 9) (i32.const 9))",
        &format!("(call $blur (local.get 0) {area} (f32.const 1))"),
        &format!("(call $fill (local.get 0) {area} (i32.const 0) (i32.const 0) (i32.const 0))"),
        "(call $grayscale (local.get 0))",
        "(call $draw-text (local.get 0) (i32.const 64) (i32.const 2) (i32.const 0) (i32.const 1)
            (f32.const 9) (i32.const 0) (i32.const 0) (i32.const 0) (f32.const 1))",
        "(call $overlay (local.get 0) (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 1)
            (i32.const 0) (i32.const 0) (f32.const 1))",
        "(call $decide (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $log (i32.const 0) (i32.const 64) (i32.const 1))",
    ] {
        // It would trap behind it.
        assert_eq!(straight(&format!("{long} {call}")).0, "took more than 20 ms in one call", "{call}");
    }
}

#[test]
fn a_call_that_ends_with_a_long_operation_has_taken_too_long() {
    let long =
        format!("(call $resize (local.get 0) (i32.const 4000) (i32.const 4000)) {GIVE_BACK} (i32.const 0)");
    let guest = Guest { process: &long, ..GUEST };
    assert_eq!(words(within(short(), guest)), "took more than 20 ms in one call");
    // A call with nothing left does not begin: the frame stays as it is.
    let limits = PluginLimits { video: Duration::from_millis(20), ..PluginLimits::default() };
    assert_eq!(words(within(limits, guest)), "took more than 0.02 s for the video");
}

#[test]
fn letters_outside_of_the_frame_cost_nothing() {
    // 1,000 letters, each as wide as ten frames.
    let fills = "(memory.fill (i32.const 2000) (i32.const 87) (i32.const 1000))";
    let text = "(call $draw-text (local.get 0) (i32.const 2000) (i32.const 1000) (i32.const 0) (i32.const 1)
        (f32.const 1000) (i32.const 255) (i32.const 255) (i32.const 255) (f32.const 1))";
    let body = format!("{fills} {text} {GIVE_BACK} (i32.const 0)");
    let mut plugin = start(Guest { process: &body, ..GUEST }).unwrap();
    plugin.process(picture(0)).unwrap();
}

#[test]
fn endless_recursion_ends_at_the_stack() {
    let more = "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))";
    for guest in everywhere("(call $deep)") {
        assert_eq!(words(within(PluginLimits::default(), Guest { more, ..guest })), "recursed too deeply");
    }
}

#[test]
fn memory_ends_at_its_limit() {
    let grow =
        "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    for guest in everywhere(grow) {
        assert_eq!(words(within(PluginLimits::default(), guest)), "needs more than 64 MiB of memory");
    }
    let more = "(memory $large 2000)";
    let large = Guest { more, ..GUEST };
    assert_eq!(words(within(PluginLimits::default(), large)), "needs more than 64 MiB of memory");
    // All memories count together, and there may be few.
    within(PluginLimits::default(), Guest { more: "(memory 900)", ..GUEST }).unwrap();
    let more = "(memory 640) (memory 640)";
    assert_eq!(
        words(within(PluginLimits::default(), Guest { more, ..GUEST })),
        "needs more than 64 MiB of memory"
    );
    within(PluginLimits::default(), Guest { more: &"(memory 1)".repeat(3), ..GUEST }).unwrap();
    let error = words(within(PluginLimits::default(), Guest { more: &"(memory 1)".repeat(4), ..GUEST }));
    assert!(error.starts_with("failed: "), "{error}");
    let more = "(table $large 1000000 funcref)";
    let error = words(within(PluginLimits::default(), Guest { more, ..GUEST }));
    assert!(error.starts_with("failed: "), "{error}");
    // The elements of all tables count together, with those of the one that calls the host.
    let tables = |count: usize| "(table 49000 funcref)".repeat(count);
    within(PluginLimits::default(), Guest { more: &tables(2), ..GUEST }).unwrap();
    let error = words(within(PluginLimits::default(), Guest { more: &tables(3), ..GUEST }));
    assert!(error.starts_with("failed: "), "{error}");
}

#[test]
fn memory_that_was_refused_is_no_reason_for_what_fails_later() {
    let configure = "(drop (memory.grow (i32.const 60000))) (i32.const 0)";
    let mut plugin = start(Guest { configure, process: "unreachable", ..GUEST }).unwrap();
    let error = plugin.process(picture(0)).unwrap_err();
    assert_eq!(error.0, "trapped: wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn numbers_are_the_same_on_every_processor() {
    // What is not a number has one form, whatever the processor makes.
    let process = format!(
        "(if (i32.ne (i32.const 0x7fc00000)
               (i32.reinterpret_f32 (f32.div (f32.convert_i32_u (local.get $i)) (f32.const 0))))
           (then unreachable))
         {GIVE_BACK} (i32.const 0)"
    );
    within(PluginLimits::default(), Guest { process: &process, ..GUEST }).unwrap();
}

#[test]
fn what_runs_besides_the_three_functions_has_the_same_limits() {
    // A function that runs when the instance starts, and the one that makes room for arguments.
    for (body, reason) in [
        (LOOP, "took more than 20 ms in one call"),
        ("unreachable", "trapped: wasm trap: wasm `unreachable` instruction executed"),
    ] {
        let more = format!("(func $first {body}) (start $first)");
        assert_eq!(words(within(short(), Guest { more: &more, ..GUEST })), reason);
        assert_eq!(words(within(short(), Guest { realloc: body, ..GUEST })), reason);
    }
    let outside = "(return (i32.const -8))";
    let error = words(within(short(), Guest { realloc: outside, ..GUEST }));
    assert!(error.starts_with("failed: "), "{error}");

    let schema = |body: &str| {
        let more = format!(r#"(func (export "config-schema") (result i32) {body})"#);
        check_with_schema(&more).unwrap_err().0
    };
    assert_eq!(schema(LOOP), "failed on a test frame: took more than 250 ms in one call");
    let trapped = "failed on a test frame: trapped: wasm trap: wasm `unreachable` instruction executed";
    assert_eq!(schema("unreachable"), trapped);
    let huge = "(drop (memory.grow (i32.const 900)))
        (i32.store (i32.const 128) (i32.const 131072)) (i32.store (i32.const 132) (i32.const 58000000))
        (i32.const 128)";
    assert_eq!(schema(huge), "its config-schema has more than 8192 bytes");
    let nowhere = "(i32.store (i32.const 128) (i32.const -9)) (i32.store (i32.const 132) (i32.const 90))
        (i32.const 128)";
    assert!(schema(nowhere).starts_with("failed on a test frame: failed: "));
}

#[test]
fn a_trap_fails_the_call_that_it_is_in() {
    for guest in everywhere("unreachable") {
        let error = words(within(PluginLimits::default(), guest));
        assert_eq!(error, "trapped: wasm trap: wasm `unreachable` instruction executed");
    }
    // What a language's panic hook has logged before is part of the reason.
    let panics = "(call $log (i32.const 3) (i32.const 64) (i32.const 13)) unreachable";
    let error = words(within(PluginLimits::default(), Guest { configure: panics, ..GUEST }));
    assert!(error.ends_with("(error: as configured)"), "{error}");
}

#[test]
fn its_own_errors_are_its_words() {
    let error = start(Guest { configure: ERROR, ..GUEST }).err().unwrap();
    assert_eq!(error.0, "as configured");
    let process_error = format!("{GIVE_BACK} {ERROR}");
    assert_eq!(process(Guest { process: &process_error, ..GUEST }).unwrap_err().0, "as configured");
    assert_eq!(words(within(short(), Guest { finish: ERROR, ..GUEST })), "as configured");
}

#[test]
fn the_last_warnings_and_errors_of_its_log_follow() {
    // Four warnings of 12, 11, 10 and 9 characters, then what is only information.
    let warn = |length: u32| format!("(call $log (i32.const 2) (i32.const 64) (i32.const {length}))");
    let logs: String = (9..13).rev().map(warn).collect();
    let configure = format!("{logs} (call $log (i32.const 1) (i32.const 64) (i32.const 13)) {ERROR}");
    let error = start(Guest { configure: &configure, ..GUEST }).err().unwrap();
    assert_eq!(error.0, "as configured (warn: as configur; warn: as configu; warn: as config)");
    let long = format!("(call $log (i32.const 3) (i32.const 64) (i32.const 1000)) {ERROR}");
    let error = start(Guest { configure: &long, ..GUEST }).err().unwrap();
    assert!(error.0.chars().count() < 150 && error.0.ends_with("…)"), "{error:?}");
}

#[test]
fn huge_answers_are_cut_short_or_refused() {
    // An error of 40 MiB of zeroes.
    let grow = "(drop (memory.grow (i32.const 700)))
        (i32.store8 (i32.const 128) (i32.const 1))
        (i32.store (i32.const 132) (i32.const 131072))
        (i32.store (i32.const 136) (i32.const 41943040))
        (i32.const 128)";
    let error = start(Guest { configure: grow, ..GUEST }).err().unwrap();
    assert_eq!(error.0.chars().count(), 501);
    // A million labels, each of the same two megabytes: two terabytes for the host, if it took them.
    let labels = "(call $drop (local.get 0)) (drop (memory.grow (i32.const 700)))
        (loop $again
            (i32.store offset=131072 (i32.shl (local.get $i) (i32.const 4)) (i32.const 131072))
            (i32.store offset=131076 (i32.shl (local.get $i) (i32.const 4)) (i32.const 1048576))
            (i32.store offset=131080 (i32.shl (local.get $i) (i32.const 4)) (i32.const 131072))
            (i32.store offset=131084 (i32.shl (local.get $i) (i32.const 4)) (i32.const 1048576))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000))))
        (i32.store8 (i32.const 132) (i32.const 2))
        (i32.store (i32.const 136) (i32.const 131072))
        (i32.store (i32.const 140) (i32.const 1000000))
        (i32.const 128)";
    let error = process(Guest { process: labels, ..GUEST }).unwrap_err().0;
    assert!(error.starts_with("failed: "), "{error}");
    assert!(error.contains("too much data") || error.contains("fuel"), "{error}");
}

#[test]
fn a_log_ends_at_its_limit_and_the_plugin_goes_on() {
    let logs = "(call $drop (local.get 0))
        (loop $again
            (call $log (i32.const 1) (i32.const 64) (i32.const 13))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 10000))))
        (i32.const 0)";
    let mut plugin = start(Guest { process: logs, ..GUEST }).unwrap();
    plugin.process(picture(0)).unwrap();
    let record = plugin.record();
    let record = record.lock().unwrap();
    assert_eq!(record.log.lines[0], "info: as configured");
    let bytes: usize = record.log.lines.iter().map(String::len).sum();
    assert!(record.log.cut && bytes <= 64 << 10 && bytes > 60_000, "{bytes}");
}

#[test]
fn a_line_of_60_mib_is_left_out_of_the_log() {
    let logs = "(drop (memory.grow (i32.const 1000)))
        (call $log (i32.const 1) (i32.const 131072) (i32.const 62914560)) (i32.const 0)";
    let plugin = start(Guest { configure: logs, ..GUEST }).unwrap();
    let log = plugin.record().lock().unwrap().log.clone();
    assert!(log.cut && log.lines.is_empty(), "{log:?}");
}

#[test]
fn labels_of_a_frame_that_was_held_back_are_checked() {
    // A list of so many labels, all of them empty.
    for (count, taken) in [(32, true), (33, false)] {
        let finish = format!(
            "(memory.fill (i32.const 1024) (i32.const 0) (i32.const 1024))
             (call $decide (i64.const 5) (i32.const 2) (i32.const 1024) (i32.const {count})) (i32.const 0)"
        );
        let holds = format!("{GIVE_BACK} {HOLD}");
        let mut plugin = start(Guest { process: &holds, finish: &finish, ..GUEST }).unwrap();
        plugin.process(picture(5)).unwrap();
        match plugin.finish() {
            Ok(finished) => assert!(taken, "{finished:?}"),
            Err(error) => {
                assert_eq!((taken, error.0.as_str()), (false, "failed: gave a picture more than 32 labels"));
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_call_of_the_host_is_said() {
    for (call, reason) in [
        (
            "(call $crop (local.get 0) (i32.const 90) (i32.const 0) (i32.const 7) (i32.const 1))",
            "the rectangle 7x1 at 90,0 does not lie within 96x64 pixels",
        ),
        (
            "(call $fill (local.get 0) (i32.const 1) (i32.const 1) (i32.const -1) (i32.const 1)
                (i32.const 0) (i32.const 0) (i32.const 0))",
            "the rectangle 4294967295x1 at 1,1 does not lie within 96x64 pixels",
        ),
        (
            "(call $pixels (local.get 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
                (i32.const 0) (i32.const 128))",
            "the rectangle 1x0 at 0,0 does not lie within 96x64 pixels",
        ),
        (
            "(call $set-pixels (local.get 0) (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 2)
                (i32.const 0) (i32.const 0) (i32.const 11))",
            "11 bytes of pixels, where 12 are needed",
        ),
        // 2^31 times 2^31 pixels of 4 bytes are 2^64 bytes.
        (
            "(call $overlay (local.get 0) (i32.const 0) (i32.const 0) (i32.const -2147483648)
                (i32.const -2147483648) (i32.const 0) (i32.const 0) (f32.const 1))",
            "0 bytes of pixels, where 18446744073709551615 are needed",
        ),
        (
            "(call $resize (local.get 0) (i32.const 16384) (i32.const 16384))",
            "a size of 16384x16384 pixels: each side is 1 to 16384, and all are at most 36000000",
        ),
        (
            "(call $thumbnail (local.get 0) (i32.const 1025) (i32.const 1) (i32.const 0) (i32.const 128))",
            "a thumbnail of 1025x1 pixels: each side is 1 to 1024",
        ),
        (
            "(call $blur (local.get 0) (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 2) (f32.const nan))",
            "sigma is NaN, and must be from 0.1 to 100",
        ),
        (
            "(call $decide (i64.const 7) (i32.const 0) (i32.const 0) (i32.const 0))",
            "frame 7 is not held back",
        ),
        ("(call $width (i32.const 77))", "unknown handle index 77"),
    ] {
        let process_body = format!("{call} {GIVE_BACK} (i32.const 0)");
        let process_body = match call.contains("$width") {
            true => format!("(drop {call}) {GIVE_BACK} (i32.const 0)"),
            false => process_body,
        };
        let error = process(Guest { process: &process_body, ..GUEST }).unwrap_err();
        assert_eq!(error.0, format!("failed: {reason}"));
    }
}

#[test]
fn a_frame_must_be_given_back() {
    let error = process(Guest { process: OK, ..GUEST }).unwrap_err();
    assert!(error.0.contains("borrow handles still remain"), "{error}");
}

#[test]
fn frames_are_dropped_and_held_back() {
    let (drops, holds) = (format!("{GIVE_BACK} {DROP}"), format!("{GIVE_BACK} {HOLD}"));
    assert_eq!(process(Guest { process: &drops, ..GUEST }).unwrap().verdict, Verdict::Drop);
    let finish = "(call $decide (i64.const 5) (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 0)";
    let mut plugin = start(Guest { process: &holds, finish, ..GUEST }).unwrap();
    assert_eq!(plugin.process(picture(5)).unwrap().verdict, Verdict::Hold);
    assert_eq!(plugin.finish().unwrap().decided, [(5, Verdict::Drop)]);
}

#[test]
fn nothing_is_kept_between_two_videos() {
    // It traps if it was configured before.
    let configure =
        "(if (global.get $seen) (then unreachable)) (global.set $seen (i32.const 1)) (i32.const 0)";
    let guest = Guest { configure, more: "(global $seen (mut i32) (i32.const 0))", ..GUEST };
    let code = load(&host(PluginLimits::default()), &guest.build()).unwrap();
    let mut first = code.start("it", "1", "{}").unwrap();
    let second = code.start("it", "1", "{}");
    first.process(picture(0)).unwrap();
    second.unwrap().process(picture(0)).unwrap();
}

fn rejected(component: &[u8]) -> String {
    let Err(Rejected(words)) = load(&host(PluginLimits::default()), component) else { panic!("it is taken") };
    words
}

#[test]
fn nothing_but_a_component_of_the_world_is_taken() {
    let core = wat::parse_str("(module)").unwrap();
    assert!(rejected(&core).starts_with("is a core module, not a component"));
    // Noise: a generator of numbers that needs no library.
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = std::iter::repeat_with(&mut next).take(16 << 20).collect();
    assert_eq!(rejected(&noise), "is not a WebAssembly component in binary form");
    let mut damaged = GUEST.build();
    damaged[8..].iter_mut().for_each(|byte| *byte ^= next());
    assert!(rejected(&damaged).starts_with("does not compile: "));
    assert_eq!(rejected(b"(component)"), "is not a WebAssembly component in binary form");
    assert_eq!(rejected(&[]), "is not a WebAssembly component in binary form");
    assert_eq!(rejected(&vec![0; (32 << 20) + 1]), "has 33554433 bytes, more than 33554432");
    let compiled = host(PluginLimits::default()).compile(&GUEST.build()).unwrap();
    assert_eq!(rejected(&compiled), "is compiled already: only WebAssembly is accepted");
    let empty = rejected(&wat::parse_str("(component)").unwrap());
    assert!(empty.starts_with("does not fit the world framelift:plugin/frame-plugin@1.0.0: "), "{empty}");
}

#[test]
fn nothing_of_the_machine_may_be_imported() {
    for interface in [
        "wasi:filesystem/types@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:random/random@0.2.0",
        "wasi:cli/environment@0.2.0",
        "other:plugin/frames@1.0.0",
    ] {
        let text = format!(r#"(component (import "{interface}" (instance (export "f" (func)))))"#);
        let words = rejected(&wat::parse_str(text).unwrap());
        assert!(words.starts_with(&format!("imports {interface}, and may import only")), "{words}");
    }
    // A reason is short, however many they are and however long their names.
    let import = |n: usize| format!(r#"(import "wasi:{}/i{n}@1.0.0" (instance))"#, "a".repeat(20_000));
    let text = format!("(component {})", (0..20).map(import).collect::<String>());
    let words = rejected(&wat::parse_str(text).unwrap());
    assert!(words.contains(" and 17 more, and may import only"), "{words}");
    assert!(words.chars().count() < 500, "{words}");
}

#[test]
fn nothing_asynchronous_is_taken_whatever_other_crates_turn_on() {
    let words = rejected(&wat::parse_str("(component (core func (canon context.get i32 0)))").unwrap());
    assert!(words.starts_with("does not compile: "), "{words}");
}
