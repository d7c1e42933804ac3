//! Runs the worker from its start until a signal.

use anyhow::Context as _;
use framelift_worker::config::Config;
use framelift_worker::{app, cli, shutdown};

/// Works until it is told to stop.
pub(crate) fn run(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = shutdown::signals()?;
        let starting = async {
            let aws = app::aws(config).await;
            app::start(config, &aws, None, stop.clone()).await
        };
        // Credentials and a GPU that do not answer are not waited for after a signal.
        let worker = tokio::select! {
            biased;
            worker = starting => worker?,
            () = stop.cancelled() => return anyhow::Ok(()),
        };
        // For whoever started it with port 0.
        cli::print(&format!("listening on http://{}\n", worker.health()));
        worker.finished().await.context("the worker's own task ended")
    });
    runtime.shutdown_background();
    result
}
