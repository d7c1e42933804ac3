//! `cargo xtask bench`: Criterion's benches, and the runs side by side with other programs.

use crate::run::{Result, cargo, command, run, target};
use crate::setup;

/// The other programs that come from PyPI, pinned.
const PEERS: &[&str] = &[
    "av==18.1.0",
    "numpy==2.4.6",
    "opencv-python-headless==5.0.0.93",
    "pillow==13.0.0",
    "simplejpeg==1.9.0",
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
    let python = python()?;
    run(cargo(&["build", "--quiet", "--release", "--package", "framelift-cli"]))?;
    let mut script = command("python3", &["benches/side_by_side.py"]);
    script.arg("--framelift").arg(target().join("release/framelift"));
    script.arg("--python").arg(python);
    script.arg("--files").arg(target().join("bench"));
    script.args(args);
    run(script)
}

/// A Python that has the peers' libraries.
fn python() -> Result<String> {
    let venv = target().join("tools/bench");
    let stamp = venv.join("installed");
    let python = venv.join("bin/python").to_string_lossy().into_owned();
    let wanted = PEERS.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("installing {} from PyPI, which speed is compared with", PEERS.join(", "));
    run(command("python3", &["-m", "venv", "--clear", &venv.to_string_lossy()]))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
    run(command(&python, &[&install, PEERS].concat()))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}
