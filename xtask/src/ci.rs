//! What CI runs, cheapest checks first.

use std::time::Instant;

use crate::build::{GUESTS, TEST_GUESTS, guests_build, native_workspace, with_lints, without_lints};
use crate::run::{Result, cargo, command, root, run, succeeds, target};
use crate::{clients, infra, page, setup, tidy};

/// Tidy and fmt; lints, documents and licences beside the page, the clients' types and the quick checks of
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
        step("lints, and the build of all that is tested", lints)?;
        step("documentation", docs)?;
        step("licences and sources of dependencies", deny)?;
        beside.join().map_err(|_| "a thread that checked the page and infra/ ended")?
    })?;
    if !with_tests {
        return Ok(());
    }
    let xtask = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut tests = command(&xtask.to_string_lossy(), &["test"]);
    with_lints(&mut tests);
    run(tests)
}

fn step(what: &str, action: impl FnOnce() -> Result) -> Result {
    println!("checking: {what}");
    let began = Instant::now();
    action()?;
    println!("  {what}: {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Clippy's compiler builds all that is tested. `cargo clippy` would check every dependency a second time, which
/// takes as long as everything else before the tests.
fn lints() -> Result {
    let mut guests = guests_build(&[GUESTS, TEST_GUESTS].concat());
    with_lints(&mut guests);
    run(guests)?;
    let mut all = cargo(&["build", "--quiet", "--all-targets"]);
    native_workspace(&mut all);
    with_lints(&mut all);
    run(all)
}

/// The advisory database lies outside the registries, so advisories are not part of this.
fn deny() -> Result {
    if !succeeds("cargo", &["deny", "--version"]) {
        println!("installing cargo-deny");
        // Building it with optimisation takes longer than the checks themselves.
        let mut install = cargo(&["install", "--quiet", "--locked", "--debug", "cargo-deny"]);
        without_lints(&mut install);
        run(install)?;
    }
    run(command("cargo", &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))
}

/// `cargo doc` would check every dependency a second time, too. `cargo test --doc` takes them as the tests do, so it is
/// given a rustdoc that writes documents.
fn docs() -> Result {
    let mut docs = cargo(&["test", "--doc"]);
    native_workspace(&mut docs);
    with_lints(&mut docs);
    docs.env("RUSTDOC", root().join("xtask/rustdoc")).env("FRAMELIFT_DOCS", target().join("doc"));
    run(docs)
}
