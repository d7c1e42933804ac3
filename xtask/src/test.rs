//! `cargo xtask test`: sets up and builds what the chosen tests need, runs them, and ends with one line
//! that counts them.

mod binaries;
mod needs;
mod selection;
mod tally;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use crate::promises::{self, Reference};
use crate::run::{Result, command, target};
use crate::{build, setup};
use binaries::Binary;
use needs::Needs;
use selection::Selection;
use tally::Tally;

/// Runs every test, or those that the arguments choose.
pub(crate) fn test(args: &[String]) -> Result {
    let selection = Selection::parse(args)?;
    let members = selection::members()?;
    let packages = selection.packages(&members)?;
    let needs = Needs::of(&packages, &selection)?;
    println!("testing {}", if selection.is_all() { "everything".into() } else { packages.join(", ") });
    needs.set_up()?;
    let mut began = Instant::now();
    let mut took = |what: &str| {
        println!("  {what}: {:.0} s", began.elapsed().as_secs_f64());
        began = Instant::now();
    };
    if !needs.guests.is_empty() {
        println!("building for wasm32-wasip2: {}", needs.guests.join(", "));
        build::build_guests(&needs.guests)?;
        took("built");
    }
    println!("building the tests{}", if needs.programs { " and the programs that they start" } else { "" });
    let binaries = binaries::build(&selection, &packages, &needs)?;
    took("built");
    let tally = run_all(&binaries, &selection)?;
    took("run");
    if selection.is_all() && tally.failed == 0 {
        check_promises_ran(&binaries, &tally)?;
    }
    tally.print_skipped();
    println!("{tally}");
    if tally.failed == 0 && tally.broken.is_empty() { Ok(()) } else { Err("tests failed".into()) }
}

/// Binaries that leave most of the processors to others, the longest first: their tests wait for leases, messages and
/// processes, or are a single one.
const WAITING: &[&str] = &[
    WHOLE_STACKS,
    "host-worker/tests/worker/main.rs",
    "crates/sandbox/tests/corpus/main.rs",
    "dev/sqs/tests/contract.rs",
    "dev/edge-host/tests/host.rs",
];

/// Each of its tests starts all of Framelift and leaves most of a core to others.
const WHOLE_STACKS: &str = "e2e/tests/e2e/main.rs";

/// Runs the waiting ones in parallel with the computing ones, and those of each kind one after the other.
fn run_all(binaries: &[Binary], selection: &Selection) -> Result<Tally> {
    println!("running the tests");
    let rank = |binary: &Binary| WAITING.iter().position(|source| *source == binary.source);
    let (mut waiting, computing): (Vec<&Binary>, Vec<&Binary>) =
        binaries.iter().partition(|binary| rank(binary).is_some());
    waiting.sort_by_key(|binary| rank(binary));
    let one_after_the_other = |binaries: Vec<&Binary>| {
        let mut total = Tally::default();
        for binary in binaries {
            let started = Instant::now();
            let tally = run(binary, selection)?;
            if tally.passed + tally.failed + tally.skipped > 0 || !tally.broken.is_empty() {
                let (label, seconds) = (binary.label(), started.elapsed().as_secs_f64());
                println!("  {label:<28} {tally}, {seconds:.1} s");
            }
            total.add(tally);
        }
        Ok::<_, String>(total)
    };
    if selection.shows_output {
        return one_after_the_other(binaries.iter().collect());
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| one_after_the_other(waiting));
        let mut total = one_after_the_other(computing)?;
        total.add(waiting.join().map_err(|_| "a thread that ran tests ended")??);
        Ok(total)
    })
}

/// Runs one binary as `cargo test` would.
fn run(binary: &Binary, selection: &Selection) -> Result<Tally> {
    let mut tests = command(&binary.executable, &["--show-output"]);
    tests.args(&selection.filters);
    tests.current_dir(&binary.folder);
    tests.env("CARGO_MANIFEST_DIR", &binary.folder);
    if binary.source == WHOLE_STACKS {
        tests.env("RUST_TEST_THREADS", "3");
    }
    // What tests compile is plugins' code, and not for our lints.
    build::without_lints(&mut tests);
    let guests = target().join("wasm32-wasip2/guest");
    tests.env("FRAMELIFT_TEST_BIN_DIR", target().join("debug"));
    tests.env("FRAMELIFT_TEST_GUEST", guests.join("framelift_test_guest.wasm"));
    tests.env("FRAMELIFT_TEST_GUEST_DIR", guests);
    tests.env("FRAMELIFT_TEST_MOTO_SERVER", setup::peer("moto_server"));
    tests.env("FRAMELIFT_TEST_PYTHON", setup::peer("python"));
    tests.env("FRAMELIFT_TEST_CLIENTS", setup::clients_folder());
    tests.env("FRAMELIFT_TEST_NODE", setup::node_folder());
    tests.env("FRAMELIFT_TEST_AUTHORS", setup::authors_folder());
    tests.env("FRAMELIFT_TEST_BROWSER", setup::browser_folder());
    let mut child = tests
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", binary.executable))?;
    let mut tally = Tally::of(&binary.source);
    let mut output = Vec::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(|out| out.split(b'\n')) {
        let line = line.map_err(|error| format!("cannot read the tests' output: {error}"))?;
        let line = String::from_utf8_lossy(&line).into_owned();
        if selection.shows_output || line.ends_with(" ... FAILED") {
            println!("{line}");
        }
        tally.read(&line);
        output.push(line);
    }
    let status = child.wait().map_err(|error| format!("cannot wait for the tests: {error}"))?;
    if !status.success() {
        if !selection.shows_output {
            // The output of passed tests is not shown.
            let failures = output.iter().position(|line| line == "failures:").unwrap_or_default();
            println!("{}", output[failures..].join("\n"));
        }
        tally.broken.push(format!("{} ({status})", binary.label()));
    }
    Ok(tally)
}

/// Each Rust test that `SPECIFICATION.md` names has run, and has not skipped what it is for unless the row says where
/// it does. What is in Python is run by other commands, which the document names.
fn check_promises_ran(binaries: &[Binary], tally: &Tally) -> Result {
    let (references, _) = promises::read()?;
    let is_among = |reference: &Reference, tests: &[(String, String)]| {
        binaries.iter().any(|binary| {
            tests.iter().any(|(source, test)| *source == binary.source && reference.is(source, test))
        })
    };
    let not_run: Vec<_> = references
        .iter()
        .filter(|reference| reference.path.ends_with(".rs"))
        .filter(|reference| !is_among(reference, &tally.ran))
        .filter(|reference| !(reference.conditional && is_among(reference, &tally.skipped_tests)))
        .collect();
    for reference in &not_run {
        let (file, line) = (promises::FILE, reference.line);
        println!("{file}:{line}: `{}::{}` was not run", reference.path, reference.name);
    }
    if not_run.is_empty() { Ok(()) } else { Err(format!("{} promises are held by no test", not_run.len())) }
}
