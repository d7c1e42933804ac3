//! Many users who upload small videos at the same time: what is accepted, what gets done, how long each call
//! takes, and how much memory the processes need.
//!
//! Half of the uploads come steadily, one after the other of each user; the other half in bursts of ten. Then
//! files pass through the edge, whose memory is looked at. The exit code is 1 if a video was lost or failed.

#![expect(clippy::unwrap_used, reason = "what goes wrong ends the run")]
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod measure;
mod traffic;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use framelift_e2e::process::{children, peak_memory};
use framelift_e2e::{Setup, Stack, clip};

use measure::Calls;
use traffic::{Customer, Tally};

/// What is asked for on the command line, as `NAME VALUE` pairs.
struct Size {
    uploads: usize,
    users: usize,
    workers: u16,
    /// Files that pass through the edge at the end, and bytes of each.
    streams: usize,
    stream_bytes: usize,
}

impl Size {
    fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut size = Self { uploads: 2000, users: 50, workers: 2, streams: 100, stream_bytes: 50 << 20 };
        let mut args = args;
        while let Some(name) = args.next() {
            let value = args.next().and_then(|value| value.parse::<usize>().ok());
            let value = value.ok_or_else(|| format!("{name} needs a number"))?;
            match name.as_str() {
                "--uploads" => size.uploads = value,
                "--users" => size.users = value.max(1),
                "--workers" => size.workers = u16::try_from(value).unwrap_or(u16::MAX),
                "--streams" => size.streams = value,
                "--stream-mib" => size.stream_bytes = value << 20,
                _ => return Err(format!("there is no {name}")),
            }
        }
        Ok(size)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let size = match Size::read(std::env::args().skip(1)) {
        Ok(size) => size,
        Err(message) => {
            println!("error: {message}");
            return ExitCode::from(2);
        }
    };
    let stack = Stack::start(Setup { workers: size.workers, concurrency: 2, ..Setup::default() }).await;
    let path = clip::make(
        &stack.scratch(),
        "small.mp4",
        &["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=2", "-c:v", "libx264", "-preset", "ultrafast"],
    );
    let video = Arc::new(std::fs::read(path).unwrap());
    let calls = Arc::new(Calls::default());
    let mut customers = Vec::new();
    for n in 0..size.users {
        customers.push(Customer::new(stack.user(&format!("user{n}")).await, &video, &calls));
    }
    println!("{} uploads of {} bytes by {} users", size.uploads, video.len(), size.users);

    let began = Instant::now();
    let mut tally = Tally::default();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, customer) in customers.into_iter().enumerate() {
        let share = size.uploads / size.users + usize::from(n < size.uploads % size.users);
        tasks.spawn(async move { customer.use_the_service(share).await });
    }
    for one in tasks.join_all().await {
        tally += one;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{tally}");
    println!(
        "{:.1} videos a second, from the first call to the last result\n",
        tally.completed as f64 / seconds
    );
    println!("{calls}");
    println!("{:<24} {:>9}", "peak memory", "MiB");
    for (name, pid) in processes(&stack) {
        println!("{name:<24} {:>9}", mebibytes(pid));
    }

    let edge = stack.info().pids.edge.unwrap();
    let before = mebibytes(edge);
    let passed = through_the_edge(&stack, size.streams, size.stream_bytes).await;
    println!(
        "\n{passed} files of {} MiB through the edge: its peak went from {before} to {} MiB",
        size.stream_bytes >> 20,
        mebibytes(edge)
    );
    stack.finish().await;
    if tally.lost() == 0 && tally.failed == 0 && passed == size.streams {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The stack's processes and what they are.
fn processes(stack: &Stack) -> Vec<(String, u32)> {
    let pids = stack.info().pids;
    let edge = pids.edge.map(|pid| ("edge".to_owned(), pid));
    let workers = pids.workers.into_iter().flatten().enumerate();
    let workers = workers.flat_map(|(n, pid)| {
        let decoders = children(pid).into_iter().map(move |pid| (format!("  a decoder of worker {n}"), pid));
        std::iter::once((format!("worker {n}"), pid)).chain(decoders)
    });
    edge.into_iter().chain(workers).collect()
}

fn mebibytes(pid: u32) -> u64 {
    peak_memory(pid).unwrap_or_default() >> 20
}

/// Uploads so many files, eight at a time, in requests that hold them; returns how many were taken.
async fn through_the_edge(stack: &Stack, files: usize, bytes: usize) -> usize {
    let (mut taken, mut n) = (0, 0);
    while n < files {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8.min(files - n) {
            let user = stack.user(&format!("stream{n}")).await;
            n += 1;
            tasks.spawn(async move {
                let url = format!("{}/videos/upload?file_name=large.mp4", user.api());
                let request = reqwest::Client::new().post(url).bearer_auth(&user.token);
                let answer = request.body(clip::padded(bytes)).send().await.unwrap();
                let accepted = answer.status().as_u16() == 202;
                if accepted {
                    let body: serde_json::Value = answer.json().await.unwrap();
                    let id = body["id"].as_str().unwrap().to_owned();
                    user.finished(&id).await;
                    user.send(reqwest::Method::DELETE, &format!("/videos/{id}"), None).await;
                }
                accepted
            });
        }
        taken += tasks.join_all().await.into_iter().filter(|accepted| *accepted).count();
    }
    taken
}
