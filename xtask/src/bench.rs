//! `cargo xtask bench`: Criterion's benches, and the runs side by side with other programs.

use crate::run::{Result, cargo, command, run, target};
use crate::setup::{self, Package, package};

/// The other programs that come from PyPI, pinned.
const PEERS: &[Package] = &[
    package("av==18.1.0", "PyAV, a peer that speed is compared with"),
    package("numpy==2.4.6", "holds its pictures"),
    package("opencv-python-headless==5.0.0.93", "OpenCV, a peer that speed is compared with"),
    package("pillow==13.0.0", "writes PyAV's images"),
    package("simplejpeg==1.9.0", "writes PyAV's JPEGs"),
];

/// Both, or the side-by-side runs alone; a name chooses among Criterion's benches and leaves the
/// runs out.
pub(crate) fn bench(args: &[String]) -> Result {
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
    let mut criterion = cargo(&["bench", "--quiet", "--package", "framelift-benches", "--"]);
    criterion.args(args);
    run(criterion)
}

fn side_by_side(args: &[String]) -> Result {
    let peers = target().join("tools/bench");
    setup::python_packages(&peers, PEERS)?;
    run(cargo(&["build", "--quiet", "--release", "--package", "framelift-cli"]))?;
    let mut script = command("python3", &["benches/side_by_side.py"]);
    script.arg("--framelift").arg(target().join("release/framelift"));
    script.arg("--python").arg(peers.join("bin/python"));
    script.arg("--files").arg(target().join("bench"));
    script.args(args);
    run(script)
}
