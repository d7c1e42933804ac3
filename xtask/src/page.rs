//! The page: builds `web/` into `components/web/dist`, and checks that the tracked build is up to date.

use std::collections::BTreeMap;
use std::path::Path;

use crate::run::{Result, root, run};
use crate::setup;

/// Where the built page is, tracked, so that who builds the component needs no Node.js.
const BUILT: &str = "components/web/dist";

/// Checks the types, the style and the weight of the page, and builds it.
pub(crate) fn build() -> Result {
    setup::page()?;
    run(setup::npm_command(&root().join("web"), &["run", "--silent", "build"]))
}

/// Builds the page anew; fails where the result is not what is tracked.
pub(crate) fn check() -> Result {
    let tracked = files()?;
    build()?;
    let built = files()?;
    let names = tracked.keys().chain(built.keys());
    match names.into_iter().find(|name| tracked.get(*name) != built.get(*name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{BUILT} was not what web/ gives ({name} differs); it is now: commit it with the change of web/"
        )),
    }
}

/// The files of the built page.
fn files() -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root().join(BUILT)];
    let failed = |path: &Path, error| format!("cannot read {}: {error}", path.display());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
            let path = entry.map_err(|error| failed(&folder, error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
                files.insert(path.display().to_string(), bytes);
            }
        }
    }
    Ok(files)
}
