//! The clients for programs: their own tests, their types, and their pages typed against the whole system.

use std::path::{Path, PathBuf};
use std::process::Command;

use framelift_e2e::process::root;
use framelift_e2e::user::PASSWORD;
use framelift_e2e::{Setup, Stack, clip};

use crate::clients::{output, program, tools};

/// The blocks of a client's page in one language, in their order.
fn page(client: &str, language: &str) -> String {
    let text = std::fs::read_to_string(root().join("clients").join(client).join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.collect::<Vec<_>>().join("\n")
}

/// A copy of a client's folder: building it leaves things behind.
fn copy(client: &str, to: &Path) -> PathBuf {
    let folder = to.join(client);
    let status = Command::new("cp").arg("-r").arg(root().join("clients").join(client)).arg(&folder).status();
    assert!(status.unwrap().success());
    folder
}

/// Runs a page's program with a user of its own and the files that it names; what it printed.
async fn run_page(mut command: Command, stack: &Stack, name: &str) -> String {
    let user = stack.user(name).await;
    let folder = stack.scratch();
    std::fs::write(folder.join("holiday.mp4"), clip::sample("cars-30s.mp4")).unwrap();
    std::fs::write(folder.join("text.mp4"), "no video").unwrap();
    std::fs::write(folder.join("notes.txt"), "notes").unwrap();
    std::fs::write(folder.join("large.mp4"), clip::padded(70 << 20)).unwrap();
    command.env("FRAMELIFT_SERVER", stack.info().api).env("EMAIL", user.email).env("PASSWORD", PASSWORD);
    command.current_dir(folder);
    output(command).await
}

const FRAMES: &str = "1 0 768x432 True\n2 10 768x432 True\n3 20 768x432 True\n4 30 768x432 True\n";
const REFUSED: &str = "not-a-video: the file is in no known video format\n415 unsupported-file-format\n";
const OLD: &str = "the event is more than five minutes old, or from the future\n";

#[tokio::test]
async fn the_python_client_does_what_its_page_says() {
    let stack = Stack::start(Setup::default()).await;
    let scratch = stack.scratch();
    let client = copy("python", &scratch);
    let mut types = program("mypy");
    types.args(["--strict", "src"]).current_dir(&client);
    output(types).await;
    let mut wheel = program("python");
    wheel.args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]);
    wheel.arg("--wheel-dir").arg(&scratch).arg(&client);
    output(wheel).await;
    // A wheel of Python alone can be imported as it is.
    let wheel = scratch.join("framelift-0.1.0-py3-none-any.whl");
    assert!(wheel.is_file());
    let python = |file: PathBuf| {
        let mut python = program("python");
        python.arg(file).env("PYTHONPATH", &wheel);
        python
    };
    output(python(client.join("tests.py"))).await;

    let in_parts = "\nvideo = client.upload('large.mp4', options={'select': {'count': 3}})\n\
                    print(client.wait(video)['result']['frames'])\n\
                    client._session.token = 'ended'\n\
                    print(client.request('GET', '/auth/me')['name'])\n";
    std::fs::write(scratch.join("page.py"), page("python", "python") + in_parts).unwrap();
    let said = run_page(python(scratch.join("page.py")), &stack, "python").await;
    let expected = format!(
        "{FRAMES}holiday-frames.zip\n[2, 3] [2, 3]\n{REFUSED}status True awaiting_upload\ncompleted\nTrue\n\
         ['frames/frame_000001.png', 'frames/frame_000002.png']\ncompleted\n[2]\nTrue\nTrue\n{OLD}3\npython\n"
    );
    assert_eq!(said, expected);
    assert!(scratch.join("holiday-frames.zip").is_file());
    stack.finish().await;
}

#[tokio::test]
async fn the_typescript_client_does_what_its_page_says() {
    let stack = Stack::start(Setup::default()).await;
    let scratch = stack.scratch();
    let client = copy("typescript", &scratch);
    let package = scratch.join("node_modules/framelift");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::copy(client.join("package.json"), package.join("package.json")).unwrap();
    let node = |arguments: &[&Path]| {
        let mut node = program("node");
        node.args(arguments).current_dir(&scratch);
        node
    };
    let compiler = tools("FRAMELIFT_TEST_NODE").join("node_modules/typescript/bin/tsc");
    let mut compile = node(&[&compiler, Path::new("-p"), &client]);
    compile.arg("--outDir").arg(package.join("dist"));
    output(compile).await;
    std::fs::copy(client.join("tests.mjs"), scratch.join("tests.mjs")).unwrap();
    output(node(&[Path::new("tests.mjs")])).await;

    let in_parts = "\nconst large = await openAsBlob('large.mp4');\n\
                    const parts = await client.upload(large, { name: 'large.mp4', options: { select: { count: 3 } } });\n\
                    console.log((await client.wait(parts)).result.frames);\n";
    std::fs::write(scratch.join("page.mjs"), page("typescript", "js") + in_parts).unwrap();
    let said = run_page(node(&[Path::new("page.mjs")]), &stack, "typescript").await;
    let frames = FRAMES.replace("True", "true");
    // One `holiday.mp4` is the second run.
    let expected = format!(
        "{frames}application/zip\n2\n3\n2\n3\n{REFUSED}status true awaiting_upload\ncompleted\n\
         true\ntrue\nholiday.mp4\nholiday.mp4\ntrue\n{OLD}3\n"
    );
    assert_eq!(said, expected);
    stack.finish().await;
}
