//! The README's commands, typed one after the other.

use std::os::unix::fs::symlink;
use std::process::Command;

use framelift_e2e::process::root;
use framelift_e2e::user::open_archive;
use framelift_e2e::{Setup, Stack};

/// The console block of the README that holds `part`, as a script: prompts and output go.
fn commands(part: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let (block, _) = blocks.find(|(block, _)| block.contains(part)).expect("the README has these commands");
    let (mut script, mut continued) = (String::new(), false);
    for line in block.lines() {
        let command = line.strip_prefix("$ ").or(continued.then_some(line));
        continued = command.is_some_and(|command| command.ends_with('\\'));
        if let Some(command) = command {
            script += command;
            script.push('\n');
        }
    }
    script
}

#[tokio::test]
async fn the_commands_work_when_typed_one_after_the_other() {
    let stack = Stack::start(Setup::default()).await;
    let commands = commands("API=");
    let script = commands.replace("API=http://127.0.0.1:3000", &format!("API={}", stack.info().api));
    assert_ne!(script, commands, "the README's API is the one that `cargo xtask up` serves");
    let folder = stack.scratch();
    symlink(root().join("e2e"), folder.join("e2e")).unwrap();
    let output =
        Command::new("bash").args(["-euxo", "pipefail", "-c", &script]).current_dir(&folder).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (names, manifest) = open_archive(&std::fs::read(folder.join("frames.zip")).unwrap());
    assert_eq!((names.len(), manifest["frames"].as_array().map(Vec::len)), (32, Some(31)));
    stack.finish().await;
}
