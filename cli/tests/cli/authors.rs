//! Runs the commands in `docs/plugins.md`: each template is built, checked, run and measured.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{built, error, framelift, sample};

/// The section of `docs/plugins.md` about a language: commands, each with what it prints.
fn section(language: &str) -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../../docs/plugins.md");
    let (_, section) = page.split_once(&format!("\n### {language}\n")).expect("the page has this section");
    let (_, block) = section.split_once("```console\n").expect("the section shows what to type");
    let (block, _) = block.split_once("\n```").expect("the block ends");
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => panic!("{line} comes before the first command"),
        }
    }
    commands
}

/// The commands that run a template's tests.
const TESTS: [&str; 3] = ["cargo test ", "sh test.sh", "npm test"];

/// The tools that `cargo xtask test` has installed from the lock files of the templates.
fn tools() -> PathBuf {
    let folder =
        std::env::var_os("FRAMELIFT_TEST_AUTHORS").map(PathBuf::from).filter(|folder| folder.is_dir());
    folder.expect("what authors build with is not installed: run the tests with `cargo xtask test`")
}

/// An author's folder and tools.
struct Author {
    folder: PathBuf,
    language: &'static str,
}

impl Author {
    /// A shell's command in a folder, without the settings of this workspace's own build.
    fn shell(&self, script: &str, folder: &Path) -> Output {
        let mut shell = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            if text.starts_with("CARGO_") && text != "CARGO_HOME"
                || text.starts_with("RUST") && text != "RUSTUP_HOME"
            {
                shell.env_remove(name);
            }
        }
        let programs = std::env::var("FRAMELIFT_TEST_CLIENTS").unwrap_or_default();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{programs}/bin:{path}", self.folder.join("bin").display());
        shell.args(["-eu", "-o", "pipefail", "-c", script]).current_dir(folder).env("PATH", path);
        shell.env("CARGO_NET_OFFLINE", "true").env("XDG_CACHE_HOME", self.folder.join("cache"));
        shell.output().unwrap()
    }

    /// Replaces a command that only installs by the installed tools. Returns whether it is one.
    fn installs(&self, command: &str, project: &Path) -> bool {
        match command.split(' ').next() {
            // Dependencies are kept built from one run to the next.
            Some("rustup") => {
                let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust");
                std::fs::create_dir_all(&built).unwrap();
                symlink(built, project.join("target")).unwrap();
            }
            Some("python3") => symlink(tools().join("python"), project.join(".venv")).unwrap(),
            Some("npm") if command == "npm ci" => {
                symlink(tools().join("js/node_modules"), project.join("node_modules")).unwrap();
            }
            _ => return false,
        }
        true
    }

    /// Runs the page's commands and compares their output. Returns the component.
    fn follow(&self) -> PathBuf {
        let programs = self.folder.join("bin");
        std::fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_framelift"), programs.join("framelift")).unwrap();
        let sample = sample();
        let mut folder = self.folder.clone();
        let mut component = None;
        for (command, printed) in section(self.language) {
            if let Some(entered) = command.strip_prefix("cd ") {
                folder.push(entered);
                continue;
            }
            if self.installs(&command, &folder) {
                continue;
            }
            let typed = command.replace("VIDEO", sample.to_str().unwrap());
            let output = self.shell(&typed, &folder);
            assert!(output.status.success(), "{command}: {}", error(&output));
            let said = String::from_utf8(output.stdout).unwrap();
            if TESTS.iter().any(|test| command.starts_with(test)) {
                // They say how long they took.
                assert!(printed.is_empty(), "{printed:?}");
            } else if command.starts_with("framelift plugin bench ") {
                // Times differ on each machine.
                assert!(said.starts_with("3 frames: ") && said.contains("the nearest limit is "), "{said}");
                assert!(printed[0].starts_with("3 frames: "), "{printed:?}");
            } else {
                assert_eq!(said.lines().collect::<Vec<_>>(), printed, "{command}");
            }
            if let Some(checked) = command.strip_prefix("framelift plugin check ") {
                component = Some(folder.join(checked));
            }
        }
        component.expect("the page checks the component")
    }
}

/// What the templates' plugins do with configurations: they drop what is dark, and refuse what is no number.
fn tries(author: &Author, component: &Path) {
    let sample = sample();
    let run = |config: &str, output: &str| {
        let (component, sample) = (component.display(), sample.display());
        let command = format!(
            "framelift plugin run '{component}:{config}' {sample} --count 4 --width 64 --json -o {output}"
        );
        author.shell(&command, &author.folder)
    };
    let dropped = run(r#"{"darkest": 255}"#, "dropped");
    assert!(dropped.status.success(), "{}", error(&dropped));
    let json: serde_json::Value = serde_json::from_slice(&dropped.stdout).unwrap();
    assert_eq!((json["after"].as_u64(), json["summary"].as_str()), (Some(0), Some("4 dark frames dropped")));
    let refused = run(r#"{"darkest": "x"}"#, "refused");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        error(&refused).contains("plugin-failed") && error(&refused).contains("darkest"),
        "{}",
        error(&refused)
    );
}

/// Follows the page in one language.
fn the_page_works(language: &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let author = Author { folder: folder.path().to_owned(), language };
    let component = author.follow();
    tries(&author, &component);
    breaks_its_tests(&author);
    // The command under *The commands*, which runs it in an extraction.
    let page = include_str!("../../../docs/plugins.md");
    let (_, extract) =
        page.split_once("```sh\nframelift extract").expect("the page shows how to extract with it");
    let (arguments, _) = extract.split_once("\n```").expect("the block ends");
    std::fs::copy(&component, author.folder.join("my-plugin.wasm")).unwrap();
    let typed = format!("framelift extract{arguments} --count 3 -o extracted/")
        .replace("VIDEO", sample().to_str().unwrap());
    let output = author.shell(&typed, &author.folder);
    assert!(output.status.success(), "{typed}: {}", error(&output));
    // Of 9, 89 and 15 one is not darker than 16.
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1 frame in "), "{output:?}");
    built::keep(language, &component);
}

/// A template's tests notice that its plugin does something else.
fn breaks_its_tests(author: &Author) {
    let project = author.folder.join("my-plugin");
    let (file, right, wrong, test) = match author.language {
        "Rust" => (
            "src/lib.rs",
            "return Ok(0);",
            "return Ok(1);",
            "cargo test --target $(rustc --print host-tuple)",
        ),
        "Python" => ("app.py", "brightness < darkest", "brightness > darkest", "sh test.sh"),
        _ => ("plugin.js", "brightness < darkest", "brightness > darkest", "npm test"),
    };
    let source = std::fs::read_to_string(project.join(file)).unwrap();
    assert!(source.contains(right));
    std::fs::write(project.join(file), source.replace(right, wrong)).unwrap();
    assert!(!author.shell(test, &project).status.success(), "{test}");
}

#[test]
fn a_plugin_in_rust_is_made_as_the_page_says() {
    the_page_works("Rust");
}

#[test]
fn a_plugin_in_python_is_made_as_the_page_says() {
    the_page_works("Python");
}

#[test]
fn a_plugin_in_javascript_is_made_as_the_page_says() {
    the_page_works("JavaScript");
}

#[test]
fn names_of_plugins_have_a_form_and_folders_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let new = |name: &str| framelift(folder.path(), &["plugin", "new", "--lang", "js", name]).status.code();
    assert_eq!((new("my-plugin"), new("my-plugin"), new("My_Plugin")), (Some(0), Some(1), Some(64)));
}
