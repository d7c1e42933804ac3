//! Completions, man pages, and commands over the network without a service.

use std::process::{Command, Stdio};

use super::{error, files, framelift};

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = framelift(folder.path(), &["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(["extract", "upload", "webhook"].iter().all(|word| script.contains(word)), "{shell}");
    }
    let bash = framelift(folder.path(), &["completions", "bash"]).stdout;
    std::fs::write(folder.path().join("framelift.bash"), bash).unwrap();
    let complete = "source ./framelift.bash; COMP_WORDS=(framelift upl); COMP_CWORD=1; \
                    _framelift framelift upl framelift; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["-c", complete]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "upload\n");
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = framelift(folder.path(), &["man", "-o", "man/one"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let pages = files(&folder.path().join("man/one"));
    for page in
        ["framelift.1", "framelift-upload.1", "framelift-account-webhook-set.1", "framelift-plugin-new.1"]
    {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    let first = std::fs::read_to_string(folder.path().join("man/one/framelift.1")).unwrap();
    assert!(first.contains("77 not logged in"), "the exit codes are there: {first}");
}

#[test]
fn without_a_login_the_error_names_the_command_to_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framelift"));
        command.env_clear().env("HOME", folder.path()).args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    };
    for arguments in [&["list"][..], &["show", "x"], &["watch", "x"], &["rm", "x"], &["account", "show"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(77), "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains("hint: run `framelift login`"), "{}", error(&output));
    }
    for (arguments, message) in [
        (
            &["login", "--server", "http://framelift.example", "--email", "a@b.example"][..],
            "is not encrypted",
        ),
        (&["login", "--server", "framelift.example", "--email", "a@b.example"], "is no URL"),
        (&["login", "--server", "http://127.0.0.1:1"], "--email: is needed"),
        (&["login", "--server", "http://127.0.0.1:1", "--email", "a@b.example"], "password: is empty"),
        (&["upload", "a.mp4", "b.mp4", "-o", "one.zip"], "--output: several videos need a folder"),
        (&["upload", "a.mp4", "--every", "soon"], "--every: "),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(message), "{}", error(&output));
        assert!(!output.stderr.contains(&0x1b), "no colours where there is no terminal");
    }
    // Nothing was written but what an empty home has.
    assert_eq!(files(folder.path()), [""; 0]);
}

/// Whether the help has colours on a terminal.
fn is_coloured(command: &str) -> bool {
    let mut terminal = Command::new("script");
    let program = env!("CARGO_BIN_EXE_framelift");
    terminal.args(["-qec", &format!("{command} {program} --help"), "/dev/null"]);
    terminal.env_remove("NO_COLOR").env("TERM", "xterm").stdin(Stdio::null());
    let output = terminal.output().unwrap();
    assert!(output.status.success(), "{}", error(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("extract"));
    output.stdout.contains(&0x1b)
}

#[test]
fn no_color_takes_the_colours_from_a_terminal() {
    assert!(is_coloured("env"));
    assert!(!is_coloured("env NO_COLOR=1"));
}
