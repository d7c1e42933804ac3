//! Plugins in a child: they run there, and what a hostile one does ends its own job alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framelift_domain::{FailureCode, Options, Select};
use framelift_media::{ExtractError, Output, Progress};
use framelift_plugin_host::{Compiled, Metering, PluginRun};
use framelift_sandbox::{
    CompileError, CompileLimits, Engine, Extracted, MemoryLimit, RunError, Sandbox, Settings,
};

use crate::component::{DROP, ERROR, GIVE_BACK, GUEST, Guest, HOLD};
use crate::{limits, options, request, run, sandbox, settings, video};

fn compile(engine: &Engine, guest: Guest<'_>) -> Compiled {
    engine.compile("it", &guest.build(), &CompileLimits::default(), Metering::Time, &()).unwrap()
}

fn plugin(compiled: Compiled) -> PluginRun {
    let (version, config) = ("7".to_owned(), "{}".to_owned());
    PluginRun { name: "it".to_owned(), version, config, compiled: Arc::new(compiled) }
}

/// Extracts so many frames.
fn extract(
    engine: &Engine,
    name: &str,
    count: u32,
    plugins: &[PluginRun],
) -> Result<(Extracted, Vec<u8>), RunError> {
    let (mut archive, limits) = (Vec::new(), limits());
    let options = Options { storyboard: false, ..options(Select::Count(count)) };
    let request = request(video(), name, &options, &limits, Output::zip(&mut archive));
    let extracted = engine.extract(request, plugins)?;
    Ok((extracted, archive))
}

fn boxed(sandbox: Sandbox) -> Engine {
    Engine::Sandboxed(Box::new(sandbox))
}

#[test]
fn plugins_run_in_the_child_as_they_do_outside() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let (inside, outside) = (boxed(sandbox), Engine::InProcess);
    // Of each two frames the second is dropped; a line is logged for each.
    let process = format!(
        "(call $log (i32.const 1) (i32.const 64) (i32.const 13))
         (if (i32.wrap_i64 (i64.and (call $index (local.get 0)) (i64.const 1)))
           (then {GIVE_BACK} (return {DROP})))
         {GIVE_BACK} (i32.const 0)"
    );
    let guest = Guest { process: &process, ..GUEST };
    let compiled = compile(&inside, guest);
    assert_eq!(compiled, compile(&outside, guest));
    let plugins = [plugin(compile(&inside, GUEST)), plugin(compiled)];
    let (extracted, archive) = extract(&inside, "a.mp4", 5, &plugins).unwrap();
    assert_eq!(extracted.outcome.frames, 3);
    let log = &extracted.plugins[1].log;
    assert_eq!((log.lines.len(), log.lines[0].as_str()), (5, "info: as configured"));
    let (_, same) = extract(&outside, "a.mp4", 5, &plugins).unwrap();
    assert!(archive == same, "the archives differ");
    // A plugin that changes nothing leaves the images as they are without it.
    let images = |plugins: &[PluginRun]| {
        let (_, archive) = extract(&inside, "a.mp4", 5, plugins).unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
        (0..5).map(|at| archive.by_index(at).unwrap().crc32()).collect::<Vec<_>>()
    };
    assert_eq!(images(&plugins[..1]), images(&[]));
}

/// How the video fails, by the child that does so; the next one is fine.
fn failure(engine: &Engine, guest: Guest<'_>) -> String {
    let plugins = [plugin(compile(engine, guest))];
    let result = extract(engine, "a.mp4", 70, &plugins);
    let Err(RunError::Extract(ExtractError::Failed(failure))) = result else { panic!("{result:?}") };
    assert_eq!(failure.code, FailureCode::PluginFailed);
    assert_eq!(extract(engine, "a.mp4", 2, &[]).unwrap().0.outcome.frames, 2);
    failure.message
}

#[test]
fn a_hostile_plugin_fails_its_video_by_its_name() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let engine = boxed(sandbox);
    // They behave while they are checked: the test frame is 320 pixels wide.
    let later = |body: &str| {
        format!(
            "(if (i32.eq (call $width (local.get 0)) (i32.const 320)) (then {GIVE_BACK} (return (i32.const 0)))) {body}"
        )
    };
    for (body, reason) in [
        ("(loop $again (br $again)) unreachable", "took more than 250 ms in one call"),
        (
            "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
            "needs more than 64 MiB of memory",
        ),
        ("unreachable", "trapped: wasm trap: wasm `unreachable` instruction executed"),
        (&*format!("{GIVE_BACK} {ERROR}"), "as configured"),
        (&*format!("{GIVE_BACK} {HOLD}"), "held back more than 64 pictures"),
        ("(call $deep)", "recursed too deeply"),
        (
            "(loop $again (drop (call $width (local.get 0))) (br $again)) unreachable",
            "took more than 250 ms in one call",
        ),
        (
            "(call $crop (local.get 0) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 1)) unreachable",
            "failed: the rectangle 4294967295x1 at 0,0 does not lie within",
        ),
        (
            "(call $overlay (local.get 0) (i32.const 0) (i32.const 0) (i32.const -2147483648)
               (i32.const -2147483648) (i32.const 0) (i32.const 0) (f32.const 1)) unreachable",
            "failed: 0 bytes of pixels, where",
        ),
        (
            "(call $log (i32.const 3) (i32.const 65536) (i32.const 60000)) unreachable",
            "trapped: wasm trap: wasm `unreachable` instruction executed",
        ),
    ] {
        let process = later(body);
        let more = "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))";
        let message = failure(&engine, Guest { process: &process, more, ..GUEST });
        assert!(message.starts_with(&format!("the plugin it: {reason}")), "{message}");
    }
    let fails = Guest { finish: "unreachable", ..GUEST };
    assert_eq!(
        rejection(&engine, fails),
        "failed on a test frame: trapped: wasm trap: wasm `unreachable` instruction executed"
    );
    let refuses = Guest { configure: ERROR, ..GUEST };
    assert_eq!(failure(&engine, refuses), "the plugin it: as configured");
    assert_eq!(compile(&engine, refuses).checked.refuses_empty.as_deref(), Some("as configured"));
}

/// Why it is not taken.
fn rejection(engine: &Engine, guest: Guest<'_>) -> String {
    let compiled = engine.compile("it", &guest.build(), &CompileLimits::default(), Metering::Time, &());
    let Err(CompileError::Rejected(rejected)) = compiled else { panic!("{compiled:?}") };
    rejected.0
}

/// Kilobytes of this process in memory.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn hostile_plugins_leave_the_worker_no_larger_and_no_slower() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let engine = boxed(sandbox);
    let timed = || {
        let began = Instant::now();
        assert_eq!(extract(&engine, "a.mp4", 10, &[]).unwrap().0.outcome.frames, 10);
        began.elapsed()
    };
    timed();
    let (fast, before) = ((0..3).map(|_| timed()).min().unwrap(), memory());
    let grow = "(drop (memory.grow (i32.const 900)))";
    for body in [
        "(loop $again (br $again)) unreachable",
        &format!("{grow} unreachable"),
        // 57 MB of zeroes as an error.
        &format!(
            "{grow} {GIVE_BACK} (i32.store8 (i32.const 128) (i32.const 1)) (i32.store (i32.const 132) (i32.const 131072))
             (i32.store (i32.const 136) (i32.const 57000000)) (i32.const 128)"
        ),
        &format!("{grow} (call $log (i32.const 1) (i32.const 131072) (i32.const 57000000)) unreachable"),
    ] {
        let behaves = "(i32.eq (call $width (local.get 0)) (i32.const 320))";
        let process = format!("(if {behaves} (then {GIVE_BACK} (return (i32.const 0)))) {body}");
        let plugins = [plugin(compile(&engine, Guest { process: &process, ..GUEST }))];
        for _ in 0..3 {
            assert!(extract(&engine, "a.mp4", 10, &plugins).is_err());
        }
    }
    let (slow, after) = ((0..3).map(|_| timed()).min().unwrap(), memory());
    // One answer in twelve that stays would be 57 MB; other tests run beside this one.
    assert!(after < before + (128 << 10), "{before} KiB became {after}");
    assert!(slow < fast * 10, "{fast:?} became {slow:?}");
}

#[test]
fn a_child_with_plugins_maps_no_more_code_than_theirs() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let engine = boxed(sandbox);
    let plugins = [plugin(compile(&engine, GUEST))];
    let Err(RunError::Crashed(crash)) = extract(&engine, "code", 2, &plugins) else { panic!("no crash") };
    assert_eq!(crash.stderr, "code: PermissionDenied");
}

fn leb128(mut value: usize, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn section(id: u8, body: &[u8], to: &mut Vec<u8>) {
    to.push(id);
    leb128(body.len(), to);
    to.extend_from_slice(body);
}

/// A component of 24 MB with as much code as takes long to compile.
fn compile_bomb() -> Vec<u8> {
    const FUNCTIONS: usize = 2000;
    // (func (param i32) (result i32) local.get 0, then 2000 times: local.get 0, i32.mul, local.get 0, i32.add)
    let mut code = vec![0, 0x20, 0];
    (0..2000).for_each(|_| code.extend_from_slice(&[0x20, 0, 0x6c, 0x20, 0, 0x6a]));
    code.push(0x0b);
    let (mut functions, mut bodies) = (Vec::new(), Vec::new());
    leb128(FUNCTIONS, &mut functions);
    leb128(FUNCTIONS, &mut bodies);
    functions.extend(std::iter::repeat_n(0, FUNCTIONS));
    for _ in 0..FUNCTIONS {
        leb128(code.len(), &mut bodies);
        bodies.extend_from_slice(&code);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f], &mut module);
    section(3, &functions, &mut module);
    section(10, &bodies, &mut module);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(1, &module, &mut component);
    component
}

#[test]
fn compiling_has_limits_of_its_own() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let bomb = compile_bomb();
    let reason = |limits: CompileLimits| match sandbox.compile("it", &bomb, &limits, Metering::Time, &()) {
        Err(CompileError::Rejected(rejected)) => rejected.0,
        other => panic!("{other:?}"),
    };
    let time = CompileLimits { processor_time: Duration::from_secs(1), ..CompileLimits::default() };
    assert_eq!(reason(time), "takes more than 1 s of processor time to compile");
    let memory = CompileLimits { memory_bytes: 128 << 20, ..CompileLimits::default() };
    assert_eq!(reason(memory.clone()), "takes more than 128 MiB of memory to compile");
    assert_eq!(run(&sandbox, "good.mp4", &limits()).unwrap().0.frames, 4);
    // Where the parent watches, too.
    let sandbox = Sandbox::start(Settings { memory: MemoryLimit::Resident, ..settings() }).unwrap();
    let ended = sandbox.compile("it", &bomb, &memory, Metering::Time, &());
    let Err(CompileError::Rejected(rejected)) = ended else { panic!("{ended:?}") };
    assert_eq!(rejected.0, "takes more than 128 MiB of memory to compile");
}

#[test]
fn a_caller_that_cancels_kills_the_child_that_compiles() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let began = Instant::now();
    let going_on = |_: &Progress| began.elapsed() < Duration::from_millis(300);
    let limits = CompileLimits::default();
    let result = sandbox.compile("it", &compile_bomb(), &limits, Metering::Time, &going_on);
    assert!(matches!(result, Err(CompileError::Cancelled)), "{result:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn what_is_no_plugin_is_rejected_in_the_child() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let compile = |bytes: &[u8]| sandbox.compile("it", bytes, &CompileLimits::default(), Metering::Time, &());
    let text = r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "f" (func)))))"#;
    for (bytes, reason) in [
        (wat::parse_str("(module)").unwrap(), "is a core module"),
        (wat::parse_str(text).unwrap(), "imports wasi:cli/environment@0.2.0"),
        (vec![1; 16 << 20], "is not a WebAssembly component"),
    ] {
        let Err(CompileError::Rejected(rejected)) = compile(&bytes) else { panic!("it is taken") };
        assert!(rejected.0.starts_with(reason), "{rejected}");
    }
}
