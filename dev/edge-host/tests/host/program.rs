//! The program: its lines, its signals and its exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{Fixture, cache, client, fixture};

fn program(fixture: &Fixture) -> Command {
    program_at(fixture, "127.0.0.1:0")
}

fn program_at(fixture: &Fixture, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framelift-edge-host"));
    command
        .arg("--manifest")
        .arg(fixture.manifest())
        .arg("--cache")
        .arg(cache())
        .args(["--listen", listen])
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// The address in the program's first line.
fn address(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on ");
    address.unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_logs_and_ends_at_a_signal() {
    for (name, secret) in [("-TERM", "first secret"), ("-INT", "second secret")] {
        let fixture = fixture().add(
            "[variables]\nkey = { required = true, secret = true }\nother = { default = \"x\" }\n\
             [component.main.variables]\nkey = \"{{ key }}\"\nother = \"{{ other }}\"",
        );
        let ready = fixture.folder.path().join("ready");
        let mut child = program(&fixture)
            .env("SPIN_VARIABLE_KEY", secret)
            .env("SPIN_VARIABLE_OTHER", "from the environment")
            .args(["--variable", "other=from the flag"])
            .arg("--ready-file")
            .arg(&ready)
            .arg("--data")
            .arg(fixture.folder.path().join("data"))
            .spawn()
            .unwrap();
        let base = address(&mut child);
        assert_eq!(std::fs::read_to_string(&ready).unwrap().trim_end(), base);
        let client = client();
        let get = async |path: &str| {
            let answer = client.get(format!("{base}{path}")).send().await.unwrap();
            answer.text().await.unwrap()
        };
        assert_eq!(get("/var/key").await, secret);
        assert_eq!(get("/var/other").await, "from the flag");
        assert_eq!(get("/log").await, "logged");
        let denied = client.get(format!("{base}/fetch"));
        let denied = denied.header("x-url", "http://elsewhere.example/").send().await.unwrap();
        assert_eq!(denied.status(), 502);
        signal(&child, name);
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
        let line = |text: &str| log.lines().find(|line| line.contains(text));
        assert!(line("edge host started").is_some(), "{log}");
        assert!(line("edge host stopped").is_some(), "{log}");
        let guest = line("a line from the guest").unwrap_or_else(|| panic!("{log}"));
        assert!(guest.contains(r#""component":"main""#), "{guest}");
        let denied = line("outbound request denied").unwrap_or_else(|| panic!("{log}"));
        for part in [r#""component":"main""#, r#""host":"elsewhere.example""#] {
            assert!(denied.contains(part), "{denied}");
        }
        assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
        assert!(!log.contains(secret), "{log}");
    }
}

fn ended(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_1() {
    let fixture = fixture();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let (code, text) = ended(program_at(&fixture, &taken));
    assert_eq!(code, Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&taken), "{text}");
}

#[test]
fn a_wrong_configuration_is_exit_code_64() {
    let fixture = fixture().add("[variables]\nkey = { required = true }");
    let (code, text) = ended(program(&fixture));
    assert_eq!(code, Some(64));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("SPIN_VARIABLE_KEY"), "{text}");
}

#[test]
fn a_wrong_flag_is_refused() {
    for (flag, value, expected) in [
        ("--quirks", "some", "`some` is no quirk"),
        ("--variable", "nothing", "is not NAME=VALUE"),
        ("--listen", "here", "invalid socket address"),
    ] {
        let fixture = fixture();
        let mut command = Command::new(env!("CARGO_BIN_EXE_framelift-edge-host"));
        command.args([flag, value]).arg("--manifest").arg(fixture.manifest());
        let (code, text) = ended(command);
        assert_ne!(code, Some(0));
        assert!(text.contains(expected), "{text}");
    }
}
