//! Components that were built from the templates, kept for the tests of the whole system: making one of Python or
//! JavaScript takes a minute.

use std::path::{Path, PathBuf};

use framelift_domain::Checksum;

/// Where the component of a template's present source is, once it was built.
pub(crate) fn kept(language: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = match language {
        "Rust" => "rust",
        "Python" => "python",
        _ => "js",
    };
    let templates = std::fs::read_dir(root.join("cli/templates").join(folder)).unwrap();
    let mut files: Vec<PathBuf> = templates.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.push(root.join("wit/frame-plugin.wit"));
    let sources: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{folder}-{}.wasm", Checksum::of(&sources)))
}

/// Keeps a component.
pub(crate) fn keep(language: &str, component: &Path) {
    let kept = kept(language);
    let part = kept.with_extension(std::process::id().to_string());
    std::fs::copy(component, &part).unwrap();
    std::fs::rename(part, kept).unwrap();
}
