//! `framelift run`: processes the same upload again with other options.

use clap::Args;
use framelift_contract::video::{AcceptedResponse, RunRequest};

use super::select::JobArgs;
use super::upload::ResultArgs;
use super::video::path_segment;
use crate::interrupts;
use crate::outcome::{Done, Failed};
use crate::service::{Call, Service, ServiceArgs};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The id of a video whose upload is there
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

pub(crate) fn run(args: &RunArgs) -> Result<Done, Failed> {
    let body = RunRequest { options: Some(args.job.body()?) };
    interrupts::set_hint("the service goes on; `framelift list` shows the new video");
    let service = Service::open(&args.service)?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("cannot get random bytes: {error}"))?;
    let key = hex::encode(random);
    let path = format!("/videos/{}/runs", path_segment(&args.id)?);
    let accepted: AcceptedResponse = service.send(&Call::post(path).json(&body)?.once(&key))?.json()?;
    args.result.finish(&service, &accepted.id.to_string(), args.service.quiet)
}
