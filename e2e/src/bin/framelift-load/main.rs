//! Load test: many users upload small videos at the same time. Reports what was accepted and done, how long
//! each call took, and how much memory the processes needed.
//!
//! Half of the uploads come steadily, one after the other of each user; the other half in bursts of ten. Then
//! files pass through the edge, whose memory is looked at. The exit code is 1 if a video was lost or failed, or
//! if that memory grew.

#![expect(clippy::unwrap_used, reason = "what goes wrong ends the run")]
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod measure;
mod run;
mod size;
mod streams;
mod traffic;

use std::process::ExitCode;

use size::Size;

#[tokio::main]
async fn main() -> ExitCode {
    match Size::read(std::env::args().skip(1)) {
        Ok(size) if run::run(&size).await => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            println!("error: {message}");
            ExitCode::from(2)
        }
    }
}
