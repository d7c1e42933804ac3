//! `cargo xtask bench`: Criterion's benches, and the runs side by side with other programs.

use std::path::{Path, PathBuf};

use crate::build::release_stack;
use crate::run::{Result, cargo, command, root, run, target};
use crate::setup::{self, Package, package};

/// The other programs that come from PyPI, pinned.
const PEERS: &[Package] = &[
    package("av==18.1.0", "PyAV, a peer that speed is compared with"),
    package("numpy==2.4.6", "holds its pictures"),
    package("opencv-python-headless==5.0.0.93", "OpenCV, a peer that speed is compared with"),
    package("pillow==13.0.0", "writes PyAV's images"),
    package("simplejpeg==1.9.0", "writes PyAV's JPEGs"),
];

/// The peer that the edge's speed is compared with, from PyPI, pinned.
const EDGE_PEERS: &[Package] = &[
    package("fastapi==0.165.0", "the framework of the API that a page of videos is compared with"),
    package("uvicorn==0.54.0", "its server"),
    package("uvloop==0.23.0", "the server's event loop"),
    package("httptools==0.9.0", "the server's parser"),
    package("pyjwt==2.15.1", "checks its tokens"),
    package("cryptography==50.0.2", "checks their signatures"),
];

/// A peer that brings gigabytes with it, so it takes part only where `--torchcodec` asks for it.
const TORCHCODEC: &[Package] = &[
    package("torch==2.15.0", "PyTorch, whose tensors torchcodec's pictures are"),
    package("torchcodec==0.17.0", "torchcodec, a peer that speed is compared with"),
];

/// Both, or the side-by-side runs alone; a name chooses among Criterion's benches and leaves the
/// runs out.
pub(crate) fn bench(args: &[String]) -> Result {
    if let [name, rest @ ..] = args
        && name == "listing"
    {
        return listing(rest);
    }
    setup::for_tests()?;
    match args {
        [] => {
            criterion(&[])?;
            side_by_side(&[])
        }
        [name, rest @ ..] if name == "side-by-side" => side_by_side(rest),
        names => criterion(names),
    }
}

fn criterion(args: &[String]) -> Result {
    let (mut bench, name) = (cargo(&["bench", "--quiet", "--package", "framelift-benches"]), args.first());
    if name.is_none_or(|name| name == "plugins") {
        bench.env("FRAMELIFT_BENCH_PLUGINS", plugins()?);
    }
    match name {
        // Programs of their own, which know nothing of Criterion's names.
        Some(name) if ["plugins", "remote", "sandbox"].contains(&name.as_str()) => {
            bench.args(["--bench", name])
        }
        Some(_) => {
            bench.args(["--bench", "engine", "--bench", "hardware", "--bench", "stages", "--"]).args(args)
        }
        None => &mut bench,
    };
    run(bench)
}

/// Plugins that do nothing, by their language: built from the templates for authors with `benches/noop` in them; their
/// folder.
fn plugins() -> Result<PathBuf> {
    run(cargo(&["build", "--quiet", "--release", "--package", "framelift-cli"]))?;
    let folder = target().join("bench/plugins");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let framelift = target().join("release/framelift");
    for (language, source, place, component) in [
        ("rust", "lib.rs", "src/lib.rs", "target/wasm32-unknown-unknown/release/noop_rust.wasm"),
        ("python", "app.py", "app.py", "noop-python.wasm"),
        ("js", "plugin.js", "plugin.js", "noop-js.wasm"),
    ] {
        let project = folder.join(format!("noop-{language}"));
        let mut new = command(&framelift.to_string_lossy(), &["plugin", "new", "--lang", language]);
        new.arg(&project);
        run(new)?;
        std::fs::copy(root().join("benches/noop").join(source), project.join(place)).map_err(failed)?;
        build_plugin(language, &project)?;
        let built = project.join(component);
        std::fs::copy(&built, folder.join(format!("{language}.wasm")))
            .map_err(|error| format!("{}: {error}", built.display()))?;
    }
    Ok(folder)
}

/// Builds a template's project as its author would, with the tools that are installed for the tests.
fn build_plugin(language: &str, project: &Path) -> Result {
    let link = |installed: PathBuf, name: &str| {
        let place = project.join(name);
        std::os::unix::fs::symlink(installed, &place).map_err(|error| format!("{}: {error}", place.display()))
    };
    let authors = setup::authors_folder();
    let mut build = match language {
        "python" => {
            link(authors.join("python"), ".venv")?;
            command("sh", &["build.sh"])
        }
        "js" => {
            link(authors.join("js/node_modules"), "node_modules")?;
            setup::npm_command(project, &["run", "build"])
        }
        _ => {
            let mut build = cargo(&["build", "--quiet", "--release"]);
            build.env("CARGO_TARGET_DIR", "target");
            build
        }
    };
    build.current_dir(project);
    run(build)
}

fn side_by_side(args: &[String]) -> Result {
    let torchcodec = args.iter().any(|argument| argument == "--torchcodec");
    let peers = target().join(if torchcodec { "tools/bench-torchcodec" } else { "tools/bench" });
    let packages: Vec<&Package> = PEERS.iter().chain(TORCHCODEC.iter().filter(|_| torchcodec)).collect();
    setup::python_packages(&peers, packages)?;
    run(cargo(&["build", "--quiet", "--release", "--package", "framelift-cli"]))?;
    let mut script = command("python3", &["benches/side_by_side.py"]);
    script.arg("--framelift").arg(target().join("release/framelift"));
    script.arg("--python").arg(peers.join("bin/python"));
    script.arg("--files").arg(target().join("bench"));
    script.args(args);
    run(script)
}

/// A page of videos, by a release build of the local stack and by FastAPI.
fn listing(args: &[String]) -> Result {
    setup::for_build()?;
    setup::load_generator()?;
    let peers = target().join("tools/bench-edge");
    setup::python_packages(&peers, EDGE_PEERS)?;
    release_stack(&[])?;
    let mut script = command("python3", &["benches/listing.py"]);
    script.arg("--stack").arg(target().join("release/framelift-stack"));
    script.arg("--python").arg(peers.join("bin/python"));
    script.args(args);
    run(script)
}
