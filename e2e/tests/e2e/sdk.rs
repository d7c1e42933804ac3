//! The clients for programs: their own tests, their types, and their pages typed against the whole system.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use framelift_dev_faults::{Fault, Rule};
use framelift_e2e::faulty_cloud::FaultyCloud;
use framelift_e2e::process::{kill_group, root};
use framelift_e2e::user::{PASSWORD, open_archive};
use framelift_e2e::{Setup, Stack, clip, until};
use reqwest::Method;

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

/// Runs a page's program with a new user and the files that it names; what it printed.
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
        "{FRAMES}holiday-frames.zip\n[2, 3] [2, 3]\n{REFUSED}status True awaiting_upload\ncompleted\n\
         True\nTrue\n['frames/frame_000001.png', 'frames/frame_000002.png']\ncompleted\n[2]\nTrue\nTrue\nTrue\n{OLD}3\npython\n"
    );
    assert_eq!(said, expected);
    assert!(scratch.join("holiday-frames.zip").is_file());
    stack.finish().await;
}

/// Compiles the client for programs in the scratch folder. Returns the folder of its source.
async fn typescript(stack: &Stack) -> PathBuf {
    let scratch = stack.scratch();
    let client = copy("typescript", &scratch);
    let package = scratch.join("node_modules/framelift");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::copy(client.join("package.json"), package.join("package.json")).unwrap();
    let mut compile = program("node");
    compile.arg(tools("FRAMELIFT_TEST_NODE").join("node_modules/typescript/bin/tsc"));
    compile.arg("-p").arg(&client).arg("--outDir").arg(package.join("dist")).current_dir(&scratch);
    output(compile).await;
    client
}

#[tokio::test]
async fn the_typescript_client_does_what_its_page_says() {
    let stack = Stack::start(Setup::default()).await;
    let scratch = stack.scratch();
    let client = typescript(&stack).await;
    let node = |file: &str| {
        let mut node = program("node");
        node.arg(file).current_dir(&scratch);
        node
    };
    std::fs::copy(client.join("tests.mjs"), scratch.join("tests.mjs")).unwrap();
    output(node("tests.mjs")).await;

    let in_parts = "\nconst large = await openAsBlob('large.mp4');\n\
                    const parts = await client.upload(large, { name: 'large.mp4', options: { select: { count: 3 } } });\n\
                    console.log((await client.wait(parts)).result.frames);\n";
    std::fs::write(scratch.join("page.mjs"), page("typescript", "js") + in_parts).unwrap();
    let said = run_page(node("page.mjs"), &stack, "typescript").await;
    let frames = FRAMES.replace("True", "true");
    // One `holiday.mp4` is the second run.
    let expected = format!(
        "{frames}application/zip\n2\n3\n2\n3\n{REFUSED}status true awaiting_upload\ncompleted\n\
         true\ntrue\nholiday.mp4\nholiday.mp4\ntrue\ntrue\n{OLD}3\n"
    );
    assert_eq!(said, expected);
    let archive = std::fs::read(scratch.join("frames.zip")).unwrap();
    assert_eq!(open_archive(&archive).0.len(), 5);
    stack.finish().await;
}

/// Kills a program that uploads `large.mp4` when some parts have arrived, and runs it again: it sends the others only, and
/// prints the id of the same video.
async fn is_resumed(cloud: &FaultyCloud, stack: &Stack, name: &str, command: impl Fn() -> Command) {
    let (user, folder) = (stack.user(name).await, stack.scratch());
    std::fs::write(folder.join("large.mp4"), clip::padded(200 << 20)).unwrap();
    let command = || {
        let mut command = command();
        command.env("FRAMELIFT_SERVER", stack.info().api).env("EMAIL", &user.email).env("PASSWORD", PASSWORD);
        command.current_dir(&folder);
        command
    };
    // However fast the machine is, the upload does not end before the program is killed.
    cloud.s3_faults().add(Rule::new(Fault::Stall).on("PUT", "partNumber=7"));
    // The packaged Node.js is a script, whose child is Node.js.
    let mut first = command().process_group(0).spawn().unwrap();
    let parts =
        async |id: &str| user.expect(Method::GET, &format!("/videos/{id}/upload-parts"), None, 200).await;
    let id = until("the first parts", || async {
        let videos = user.expect(Method::GET, "/videos", None, 200).await;
        let id = videos["items"][0]["id"].as_str().ok_or("no video yet")?.to_owned();
        // The upload in parts begins after the record.
        let begun = user.send(Method::GET, &format!("/videos/{id}/upload-parts"), None).await;
        if !begun.status().is_success() {
            return Err(format!("{id}: not begun"));
        }
        let arrived = parts(&id).await["uploaded"].as_array().map_or(0, Vec::len);
        if arrived < 4 { Err(format!("{id}: {arrived} parts")) } else { Ok(id) }
    })
    .await;
    kill_group(first.id());
    first.wait().unwrap();
    cloud.s3_faults().clear();

    let seen = cloud.s3_faults().add(Rule::watch().on("PUT", "partNumber="));
    let before = parts(&id).await;
    let (all, arrived) = (&before["part_count"], before["uploaded"].as_array().map_or(0, Vec::len) as u64);
    assert_eq!(output(command()).await.trim(), id, "it is the same video");
    assert!(
        seen.requests() <= all.as_u64().unwrap() - arrived,
        "{} of {all} were sent again",
        seen.requests()
    );
    assert_eq!(user.finished(&id).await["result"]["frames"], 3);
    let videos = user.expect(Method::GET, "/videos", None, 200).await;
    assert_eq!(videos["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_upload_goes_on_where_a_killed_process_ended() {
    let cloud = FaultyCloud::start(3).await;
    let stack = Stack::start(cloud.setup()).await;
    let script = "import os\n\
        from framelift import Client\n\
        client = Client(os.environ['FRAMELIFT_SERVER'])\n\
        client.login(os.environ['EMAIL'], os.environ['PASSWORD'])\n\
        print(client.upload('large.mp4', options={'select': {'count': 3}}, key='resumed')['id'])\n";
    let python = || {
        let mut python = program("python");
        python.env("PYTHONPATH", root().join("clients/python/src")).args(["-c", script]);
        python
    };
    is_resumed(&cloud, &stack, "python", python).await;

    typescript(&stack).await;
    let script = "import { openAsBlob } from 'node:fs';\n\
        import { Client } from 'framelift';\n\
        const client = new Client(process.env.FRAMELIFT_SERVER);\n\
        await client.login(process.env.EMAIL, process.env.PASSWORD);\n\
        const how = { name: 'large.mp4', options: { select: { count: 3 } }, key: 'resumed' };\n\
        console.log((await client.upload(await openAsBlob('large.mp4'), how)).id);\n";
    std::fs::write(stack.scratch().join("resumed.mjs"), script).unwrap();
    let node = || {
        let mut node = program("node");
        node.arg("resumed.mjs");
        node
    };
    is_resumed(&cloud, &stack, "typescript", node).await;
    stack.finish().await;
    cloud.finish().await;
}
