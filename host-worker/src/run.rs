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
        // A signal also ends waiting for credentials or a GPU.
        let worker = tokio::select! {
            biased;
            worker = starting => worker?,
            () = stop.cancelled() => return anyhow::Ok(()),
        };
        // Tells the chosen port if port 0 was configured.
        cli::print(&format!("listening on http://{}\n", worker.health()));
        worker.finished().await.context("the worker's own task ended")
    });
    runtime.shutdown_background();
    result
}
