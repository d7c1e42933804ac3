//! One run and its report.

use std::sync::Arc;
use std::time::Instant;

use framelift_e2e::process::{children, peak_memory};
use framelift_e2e::{Setup, Stack, clip};

use crate::measure::Calls;
use crate::size::Size;
use crate::streams::through_the_edge;
use crate::traffic::{Customer, Tally};

/// How much the edge's memory may grow while files pass through it, in MiB: twice two parts of 8 MiB of each of the
/// eight that come at once.
const MAX_GROWTH_MIB: u64 = 256;

/// Runs it and prints the report; whether nothing was lost, nothing failed, and the edge's memory stayed flat.
pub(crate) async fn run(size: &Size) -> bool {
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
    println!("{:<28} {:>9}", "peak memory", "MiB");
    for (name, pid) in processes(&stack) {
        println!("{name:<28} {:>9}", mebibytes(pid));
    }

    let edge = stack.info().pids.edge.unwrap();
    let before = mebibytes(edge);
    let passed = through_the_edge(&stack, size.streams, size.stream_bytes).await;
    println!(
        "\n{passed} files of {} MiB through the edge: its peak went from {before} to {} MiB",
        size.stream_bytes >> 20,
        mebibytes(edge)
    );
    let is_flat = mebibytes(edge) - before <= MAX_GROWTH_MIB;
    if !is_flat {
        println!("that is more than {MAX_GROWTH_MIB} MiB");
    }
    stack.finish().await;
    tally.lost() == 0 && tally.failed == 0 && passed == size.streams && is_flat
}

/// The stack's processes and what they are.
fn processes(stack: &Stack) -> Vec<(String, u32)> {
    let pids = stack.info().pids;
    let stack = stack.pid().map(|pid| ("stack, with S3, SQS and mail".to_owned(), pid));
    let edge = pids.edge.map(|pid| ("edge".to_owned(), pid));
    let workers = pids.workers.into_iter().flatten().enumerate();
    let workers = workers.flat_map(|(n, pid)| {
        let decoders = children(pid).into_iter().map(move |pid| (format!("  a decoder of worker {n}"), pid));
        std::iter::once((format!("worker {n}"), pid)).chain(decoders)
    });
    stack.into_iter().chain(edge).chain(workers).collect()
}

fn mebibytes(pid: u32) -> u64 {
    peak_memory(pid).unwrap_or_default() >> 20
}
