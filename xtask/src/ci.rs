//! What CI runs, cheapest checks first.

use std::time::Instant;

use crate::build::{GUESTS, TEST_GUESTS, native_workspace};
use crate::run::{Result, cargo, command, run, succeeds};
use crate::{clients, infra, page, setup, test, tidy};

/// Tidy and fmt; clippy, deny and docs beside the page, the clients' types and the quick checks of
/// `infra/`; then, unless `--without-tests` is given, every test.
pub(crate) fn ci(args: &[String]) -> Result {
    let with_tests = match args {
        [] => true,
        [flag] if flag == "--without-tests" => false,
        _ => return Err("ci takes nothing but --without-tests".into()),
    };
    setup::for_build()?;
    tidy::tidy()?;
    step("formatting", || run(cargo(&["fmt", "--all", "--check"])))?;
    std::thread::scope(|scope| {
        // Checks that wait for the network, or run in Node.js and Python, run beside the compiler.
        let beside = scope.spawn(|| {
            step("what the tests need is there", setup::for_tests)?;
            step("the page", page::check)?;
            step("the types of the clients", clients::check)?;
            step("infrastructure", || infra::infra(&["--quick".to_owned()]))
        });
        step("lints", clippy)?;
        step("licences and sources of dependencies", deny)?;
        step("documentation", docs)?;
        beside.join().map_err(|_| "a thread that checked the page and infra/ ended")?
    })?;
    if with_tests { test::test(&[]) } else { Ok(()) }
}

fn step(what: &str, action: impl FnOnce() -> Result) -> Result {
    println!("checking: {what}");
    let began = Instant::now();
    action()?;
    println!("  {what}: {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn clippy() -> Result {
    let mut native = cargo(&["clippy", "--quiet", "--all-targets"]);
    native_workspace(&mut native);
    native.args(["--", "--deny", "warnings"]);
    run(native)?;
    let mut guests = cargo(&["clippy", "--quiet", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for guest in [GUESTS, TEST_GUESTS].concat() {
        guests.args(["--package", guest]);
    }
    guests.args(["--", "--deny", "warnings"]);
    run(guests)
}

/// The advisory database lies outside the registries, so advisories are not part of this.
fn deny() -> Result {
    if !succeeds("cargo", &["deny", "--version"]) {
        println!("installing cargo-deny");
        // Building it with optimisation takes longer than the checks themselves.
        run(cargo(&["install", "--quiet", "--locked", "--debug", "cargo-deny"]))?;
    }
    run(command("cargo", &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))
}

fn docs() -> Result {
    // With examples, although there are none: only then does cargo choose the features of dependencies as
    // for the lints' `--all-targets`. Otherwise it checks most of them again.
    let mut docs = cargo(&["doc", "--quiet", "--no-deps", "--lib", "--bins", "--examples"]);
    native_workspace(&mut docs);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    run(docs)
}
