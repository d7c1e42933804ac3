//! The types in `clients/`, which are made from the API's document and tracked.

use std::path::Path;

use crate::run::{Result, command, root, run, target};
use crate::setup;

/// The generated files, within `clients/`.
const FILES: [&str; 2] = ["python/src/framelift/types.py", "typescript/src/schema.ts"];

/// Writes the types, or, with `--check`, compares them.
pub(crate) fn clients(args: &[String]) -> Result {
    match args {
        [] => each(|made, tracked| {
            std::fs::copy(made, tracked)
                .map(drop)
                .map_err(|error| format!("cannot write {}: {error}", tracked.display()))
        }),
        [flag] if flag == "--check" => check(),
        _ => Err("clients takes nothing but --check".into()),
    }
}

/// Compares the tracked types with what the API's document gives.
pub(crate) fn check() -> Result {
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
    each(|made, tracked| match read(made)? == read(tracked)? {
        true => Ok(()),
        false => {
            let shown = tracked.display();
            Err(format!(
                "{shown} is not what the API's document gives: run `cargo xtask clients` and commit it"
            ))
        }
    })
}

/// Generates the files, and hands over each with the tracked one.
fn each(action: impl Fn(&Path, &Path) -> Result) -> Result {
    setup::clients()?;
    let (folder, clients) = (target().join("clients"), root().join("clients"));
    let programs = setup::clients_folder().join("bin");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut generate = command(&programs.join("python").to_string_lossy(), &["clients/generate.py"]);
    generate.arg(&folder).arg(setup::node_folder().join("node_modules")).env("PATH", path);
    run(generate)?;
    FILES.iter().try_for_each(|file| action(&folder.join(file), &clients.join(file)))
}
