//! What a child may not do, and what becomes of a job whose child does it.

#![expect(unsafe_code, reason = "one call of the kernel")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a helper that fails has to fail its test")]

#[path = "../../plugin-host/tests/plugins/component.rs"]
mod component;
#[path = "sandbox/plugins.rs"]
mod plugins;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use framelift_domain::{FailureCode, Options, Select};
use framelift_media::{
    EngineLimits, ExtractError, HardwareUse, MemorySource, Names, Outcome, Output, Progress, Request, Source,
    Stage, Tar, extract,
};
use framelift_sandbox::{Kind, MemoryLimit, RunError, Sandbox, Settings, StartError};

fn settings() -> Settings {
    Settings {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_framelift-hostile-child"))),
        hardware: HardwareUse::Never,
        ..Settings::default()
    }
}

/// None where the kernel lacks Landlock or seccomp, which is found out by other means and said.
fn sandbox(settings: Settings) -> Option<Sandbox> {
    // SAFETY: asks for the version alone.
    let landlock = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    let seccomp = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if landlock < 1 || !seccomp.contains("kill_process") {
        eprintln!("SKIPPED: this kernel has Landlock {landlock} and seccomp {seccomp:?}");
        return None;
    }
    Some(Sandbox::start(settings).unwrap())
}

fn video() -> MemorySource {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/media/nasa-13s.mp4");
    MemorySource(std::fs::read(path).unwrap().into())
}

fn limits() -> EngineLimits {
    EngineLimits { threads: 2, hardware: HardwareUse::Never, ..EngineLimits::default() }
}

fn options(select: Select) -> Options {
    Options { select, ..Options::default() }
}

fn request<'a>(
    source: impl Source + 'static,
    name: &str,
    options: &'a Options,
    limits: &'a EngineLimits,
    output: Output<'a>,
) -> Request<'a> {
    let (source, file_name) = (Box::new(source), name.to_owned());
    Request { source, file_name, options, limits, output, control: &() }
}

/// Extracts four frames from a video of that name.
fn run(sandbox: &Sandbox, name: &str, limits: &EngineLimits) -> Result<(Outcome, Vec<u8>), RunError> {
    let (mut archive, options) = (Vec::new(), options(Select::Count(4)));
    let request = request(video(), name, &options, limits, Output::zip(&mut archive));
    let extracted = sandbox.extract(request, &[])?;
    Ok((extracted.outcome, archive))
}

/// The crash of a child that does what the name says; the next job is fine.
fn crash(sandbox: &Sandbox, name: &str) -> framelift_sandbox::Crash {
    let Err(RunError::Crashed(crash)) = run(sandbox, name, &limits()) else { panic!("{name}: no crash") };
    assert_eq!(run(sandbox, "good.mp4", &limits()).unwrap().0.frames, 4, "after {name}");
    crash
}

#[test]
fn the_same_job_gives_the_same_bytes_inside_and_outside() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let source = video();
    for select in
        [Select::Count(3), Select::Keyframes, Select::Fps(framelift_domain::Rational::new(30, 7).unwrap())]
    {
        let options = Options { storyboard: true, ..options(select) };
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let limits = limits();
        let request = |archive| request(source.clone(), "a.mp4", &options, &limits, Output::zip(archive));
        let boxed = sandbox.extract(request(&mut inside), &[]).unwrap();
        let plain = extract(request(&mut outside), Vec::new()).unwrap();
        assert_eq!(boxed.outcome, plain);
        assert!(inside == outside, "the archives differ");
    }
    assert_eq!(
        sandbox.probe(Box::new(source.clone())).unwrap(),
        framelift_media::probe(Box::new(source)).unwrap()
    );
}

#[test]
fn members_are_called_as_the_parent_says() {
    struct Shouting;
    impl Names for Shouting {
        fn image(&self, number: u64, time: framelift_domain::Rational, extension: &str) -> String {
            format!("NUMBER {number} AT {time}.{extension}")
        }
    }
    let Some(sandbox) = sandbox(settings()) else { return };
    let (options, limits) = (options(Select::Count(2)), limits());
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    let request = |archive| {
        let output = Output { names: Some(&Shouting), ..Output::new(Tar::new(archive)) };
        request(video(), "a.mp4", &options, &limits, output)
    };
    sandbox.extract(request(&mut inside), &[]).unwrap();
    extract(request(&mut outside), Vec::new()).unwrap();
    assert!(inside == outside, "the archives differ");
}

#[test]
fn crashes_fail_their_job_alone_and_are_told_apart() {
    let Some(sandbox) = sandbox(Settings { ready: 1, ..settings() }) else { return };
    for (name, kind, code, reason) in [
        ("segfault", Kind::Fault, FailureCode::DecoderCrashed, "the decoder crashed (SIGSEGV)"),
        ("abort", Kind::Fault, FailureCode::DecoderCrashed, "the decoder crashed (SIGABRT)"),
        (
            "panic",
            Kind::Fault,
            FailureCode::DecoderCrashed,
            "the decoder ended without a result (exit code 101)",
        ),
        (
            "quiet",
            Kind::Fault,
            FailureCode::DecoderCrashed,
            "the decoder ended without a result (exit code 0)",
        ),
        (
            "allocate",
            Kind::Memory,
            FailureCode::LimitExceeded,
            "the decoder needed more memory than a video may take",
        ),
    ] {
        let crash = crash(&sandbox, name);
        assert_eq!(
            (crash.kind, crash.failure().code, crash.reason.as_str()),
            (kind, code, reason),
            "{crash:?}"
        );
    }
    assert!(crash(&sandbox, "panic").stderr.contains("as asked"));
}

#[test]
fn a_child_that_gives_no_sign_of_life_is_ended() {
    let Some(sandbox) = sandbox(Settings { inactivity_timeout: Duration::from_millis(1500), ..settings() })
    else {
        return;
    };
    for name in ["hang", "spin", "ask"] {
        let crash = crash(&sandbox, name);
        assert_eq!((crash.kind, crash.failure().code), (Kind::Late, FailureCode::TimedOut), "{crash:?}");
    }
}

#[test]
fn where_address_space_is_not_limited_the_parent_ends_a_child_that_uses_too_much_memory() {
    let Some(sandbox) = sandbox(Settings { memory: MemoryLimit::Resident, ..settings() }) else { return };
    let crash = crash(&sandbox, "allocate");
    assert_eq!((crash.kind, crash.failure().code), (Kind::Memory, FailureCode::LimitExceeded), "{crash:?}");
    assert_eq!(crash.reason, "the decoder needed more memory than a video may take");
    // Its parent has ended it; not the kernel, and not itself because it got no more.
    assert_eq!(crash.stderr, "");
}

#[test]
fn a_kernel_without_landlock_is_refused_unless_the_caller_takes_what_there_is() {
    if sandbox(settings()).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("old-kernel");
    std::os::unix::fs::symlink(settings().program.unwrap(), &program).unwrap();
    let settings = Settings { program: Some(program), ..settings() };
    match Sandbox::start(settings.clone()) {
        Err(StartError::Incomplete(missing)) => {
            assert!(matches!(&missing[..], [only] if only.starts_with("Landlock: ")), "{missing:?}");
        }
        other => panic!("{other:?}"),
    }
    let sandbox = Sandbox::start(Settings { best_effort: true, ..settings }).unwrap();
    assert_eq!(sandbox.missing().len(), 1, "{:?}", sandbox.missing());
    assert_eq!(run(&sandbox, "good.mp4", &limits()).unwrap().0.frames, 4);
    // The filters of system calls hold without it.
    assert_eq!(crash(&sandbox, "open /etc/passwd").stderr, "open: PermissionDenied");
}

#[test]
fn a_child_that_computes_for_ever_is_ended_by_the_kernel() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let limits = EngineLimits { max_wall: Duration::ZERO, threads: 1, ..limits() };
    let Err(RunError::Crashed(crash)) = run(&sandbox, "spin", &limits) else { panic!("no crash") };
    assert_eq!(crash.reason, "the decoder used up its processor time");
    assert_eq!(crash.failure().code, FailureCode::TimedOut);
}

#[test]
fn a_caller_that_says_stop_is_obeyed_whatever_the_child_does() {
    let Some(sandbox) = sandbox(settings()) else { return };
    for name in ["hang", "spin", "flood", "good.mp4"] {
        let asked = AtomicU64::new(0);
        let control = |_: &Progress| asked.fetch_add(1, Relaxed) < 2;
        let (options, limits) = (options(Select::All), limits());
        let request = request(video(), name, &options, &limits, Output::zip(std::io::sink()));
        let ended = sandbox.extract(Request { control: &control, ..request }, &[]);
        assert!(matches!(ended, Err(RunError::Extract(ExtractError::Cancelled))), "{name}: {ended:?}");
    }
}

#[test]
fn nothing_outside_is_in_reach() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let parent = std::process::id();
    for (name, answer) in [
        ("open /etc/passwd".to_owned(), "open: PermissionDenied"),
        (format!("open /proc/{parent}/mem"), "open: PermissionDenied"),
        (format!("open /proc/{parent}/environ"), "open: PermissionDenied"),
        ("open /proc/self/exe".to_owned(), "open: PermissionDenied"),
        ("open /dev/null".to_owned(), "open: PermissionDenied"),
        ("list".to_owned(), "list: PermissionDenied"),
        ("write".to_owned(), "write: PermissionDenied"),
        (format!("signal {parent}"), "signal: PermissionDenied"),
        ("code".to_owned(), "code: PermissionDenied"),
        ("raise-limit".to_owned(), "raise-limit: PermissionDenied"),
        ("environment".to_owned(), "environment: []"),
        // The three, and two copies of each socket.
        ("descriptors".to_owned(), "descriptors: 7"),
    ] {
        let crash = crash(&sandbox, &name);
        assert_eq!(crash.stderr, answer, "{name}: {crash:?}");
    }
    for name in [
        format!("connect {address}"),
        "datagram".to_owned(),
        "exec".to_owned(),
        "fork".to_owned(),
        format!("ptrace {parent}"),
    ] {
        let crash = crash(&sandbox, &name);
        assert_eq!((crash.kind, crash.stderr.as_str()), (Kind::Forbidden, ""), "{name}: {crash:?}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has connected");
    assert!(!std::path::Path::new("/tmp/framelift-escape").exists());
}

#[test]
fn a_child_that_lies_fails_its_job_alone() {
    let Some(sandbox) = sandbox(settings()) else { return };
    for (name, reason) in [
        ("garbage", "the decoder sent a message of an unknown kind"),
        ("huge", "the decoder sent a message that is too long"),
        ("name", "the decoder sent a member that was not asked for"),
        ("turn", "the decoder sent a member out of its turn"),
        ("percent", "the decoder sent a percentage that is none"),
        ("done", "the decoder sent a message whose JSON is not as it should be"),
        ("read", "the decoder sent a read that is too long"),
    ] {
        let crash = crash(&sandbox, name);
        assert_eq!((crash.kind, crash.reason.as_str()), (Kind::Protocol, reason), "{crash:?}");
    }
}

#[test]
fn errors_of_the_source_and_the_sink_are_the_callers_own() {
    struct Broken;
    impl Source for Broken {
        fn size(&self) -> u64 {
            1 << 20
        }
        fn read_at(&mut self, _: u64, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the cable is cut"))
        }
    }
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let Some(sandbox) = sandbox(settings()) else { return };
    let (options, limits) = (options(Select::Count(2)), limits());
    let output = Output::zip(std::io::sink());
    let ended = sandbox.extract(request(Broken, "a", &options, &limits, output), &[]);
    assert!(
        matches!(&ended, Err(RunError::Extract(ExtractError::Source(error))) if error.to_string() == "the cable is cut"),
        "{ended:?}"
    );
    let ended = sandbox.extract(request(video(), "a", &options, &limits, Output::zip(Full)), &[]);
    assert!(
        matches!(&ended, Err(RunError::Extract(ExtractError::Sink(error))) if error.kind() == std::io::ErrorKind::StorageFull),
        "{ended:?}"
    );
}

#[test]
fn the_engines_own_verdict_comes_through() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let rubbish = MemorySource(Arc::from([7_u8; 5000]));
    let (options, standard) = (options(Select::Count(2)), limits());
    let request = request(rubbish, "a", &options, &standard, Output::zip(std::io::sink()));
    let ended = sandbox.extract(request, &[]);
    let Err(RunError::Extract(ExtractError::Failed(failure))) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.code, FailureCode::NotAVideo);
    let small = EngineLimits { max_output_bytes: 10_000, ..limits() };
    let Err(RunError::Extract(ExtractError::Failed(failure))) = run(&sandbox, "a", &small) else {
        panic!("no failure")
    };
    assert_eq!(failure.code, FailureCode::LimitExceeded);
}

#[test]
fn progress_is_seen_by_the_caller() {
    let Some(sandbox) = sandbox(settings()) else { return };
    let stages = std::sync::Mutex::new(Vec::new());
    let control = |progress: &Progress| {
        let mut stages = stages.lock().unwrap();
        if stages.last() != Some(&progress.stage) {
            stages.push(progress.stage);
        }
        true
    };
    let (options, limits) = (options(Select::Count(2)), limits());
    let request = request(video(), "a", &options, &limits, Output::zip(std::io::sink()));
    sandbox.extract(Request { control: &control, ..request }, &[]).unwrap();
    let stages = stages.into_inner().unwrap();
    assert_eq!(stages.first(), Some(&Stage::Opening));
    assert_eq!(stages.last(), Some(&Stage::Finishing));
}

#[test]
fn a_program_that_is_no_child_is_no_sandbox() {
    let started = Sandbox::start(Settings { program: Some("/bin/true".into()), ..settings() });
    assert!(matches!(started, Err(StartError::Process(_))), "{started:?}");
    let started = Sandbox::start(Settings { program: Some("/nowhere".into()), ..settings() });
    assert!(matches!(started, Err(StartError::Process(_))), "{started:?}");
}
