//! `framelift plugin new`: the source code that an author starts from.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use framelift_plugin_host::WORLD;
use serde_json::json;

use crate::outcome::{Done, Failed};

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Write it in this language
    #[arg(long)]
    lang: Language,
    /// The plugin's name, and the folder that is made for it
    name: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    Rust,
    Python,
    Js,
}

/// Files by their paths in the new folder. `NAME` stands for the plugin's name in them.
type Files = &'static [(&'static str, &'static str)];

const RUST: Files = &[
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.template")),
    (".cargo/config.toml", include_str!("../../templates/rust/config.toml")),
    ("src/lib.rs", include_str!("../../templates/rust/lib.rs")),
];
const PYTHON: Files = &[
    ("app.py", include_str!("../../templates/python/app.py")),
    ("build.sh", include_str!("../../templates/python/build.sh")),
    ("test.sh", include_str!("../../templates/python/test.sh")),
    ("test_app.py", include_str!("../../templates/python/test_app.py")),
    ("requirements.txt", include_str!("../../templates/python/requirements.txt")),
];
const JS: Files = &[
    ("plugin.js", include_str!("../../templates/js/plugin.js")),
    ("plugin.test.mjs", include_str!("../../templates/js/plugin.test.mjs")),
    ("build.mjs", include_str!("../../templates/js/build.mjs")),
    ("package.json", include_str!("../../templates/js/package.json")),
    ("package-lock.json", include_str!("../../templates/js/package-lock.json")),
];

impl Language {
    const fn files(self) -> Files {
        match self {
            Self::Rust => RUST,
            Self::Python => PYTHON,
            Self::Js => JS,
        }
    }

    /// The commands that test and build it, and where the component is then.
    fn build(self, name: &str) -> ([&'static str; 3], String) {
        match self {
            Self::Rust => {
                let file = name.replace('-', "_");
                let target = "rustup target add wasm32-unknown-unknown";
                let test = "cargo test --target $(rustc --print host-tuple)";
                (
                    [target, test, "cargo build --release"],
                    format!("target/wasm32-unknown-unknown/release/{file}.wasm"),
                )
            }
            Self::Python => {
                let install = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt";
                ([install, "sh test.sh", "sh build.sh"], format!("{name}.wasm"))
            }
            Self::Js => (["npm ci", "npm test", "npm run build"], format!("{name}.wasm")),
        }
    }
}

pub(super) fn run(args: &NewArgs) -> Result<Done, Failed> {
    let name = args.name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let letters = name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
    if !letters || !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.ends_with('-') {
        let rule = "must be lower-case letters, digits and hyphens, and begin with a letter";
        return Err(Failed::Values(vec![format!("NAME: {rule}")]));
    }
    let folder = &args.name;
    std::fs::create_dir(folder).with_context(|| folder.display().to_string())?;
    let world = [("wit/frame-plugin.wit", WORLD)];
    for (path, text) in args.lang.files().iter().chain(&world) {
        write(&folder.join(path), &text.replace("NAME", &name))?;
    }
    let (commands, component) = args.lang.build(&name);
    let shown = folder.display();
    let commands_shown = commands.join("\n  ");
    let text = format!(
        "{shown} is there. To build and try it:\n  cd {shown}\n  {commands_shown}\n  \
         framelift plugin check {component}\n  framelift plugin run {component} VIDEO --count 3 -o tried"
    );
    let json = json!({ "folder": folder, "build": commands, "component": component });
    Ok(Done { text, json, warnings: Vec::new() })
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
