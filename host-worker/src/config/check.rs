//! Rules between keys.

use std::time::Duration;

use super::{Config, Tls};
use crate::store::parts;

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Reports keys whose values contradict each other.
pub(super) fn cross_check(config: &Config, problems: &mut Vec<String>) {
    let mut refuse = |wrong: bool, problem: &str| {
        if wrong {
            problems.push(problem.to_owned());
        }
    };
    let (queue, worker, smtp) = (&config.queue, &config.worker, &config.smtp);
    refuse(
        queue.visibility < seconds(10) || queue.visibility > seconds(12 * 3600),
        "[queue] visibility: expected 10 s to 12 h",
    );
    refuse(
        queue.heartbeat < seconds(1) || queue.heartbeat > queue.visibility / 2,
        "[queue] heartbeat: expected 1 s up to half of visibility",
    );
    refuse(queue.wait > seconds(20), "[queue] wait: expected at most 20 s");
    refuse(
        queue.retry_delay < Duration::from_millis(100) || queue.retry_delay > seconds(600),
        "[queue] retry_delay: expected 100 ms to 10 min",
    );
    refuse(queue.url == queue.dead_letter_url, "[queue] dead_letter_url: must not be the job queue itself");
    let short = queue.short_url.as_ref();
    refuse(
        short.is_some_and(|short| *short == queue.url || *short == queue.dead_letter_url),
        "[queue] short_url: must be neither the job queue nor the dead-letter queue",
    );
    refuse(!(1..=1024).contains(&worker.short_concurrency), "[worker] short_concurrency: expected 1 to 1024");
    refuse(!(1..=1024).contains(&worker.concurrency), "[worker] concurrency: expected 1 to 1024");
    refuse(
        worker.progress < seconds(1) || worker.progress > seconds(30),
        "[worker] progress: expected 1 s to 30 s",
    );
    // The store may be unavailable for this long, and that must not count against the decoder.
    refuse(worker.stuck_after < seconds(120), "[worker] stuck_after: expected at least 2 min");
    refuse(worker.sweep < seconds(1), "[worker] sweep: expected at least 1 s");
    refuse(
        worker.out_of_service < seconds(1) || worker.out_of_service > seconds(3600),
        "[worker] out_of_service: expected 1 s to 1 h",
    );
    refuse(config.control.timeout < seconds(1), "[control] timeout: expected at least 1 s");
    refuse(
        !(parts::MIN_SIZE..=parts::MAX_BASE).contains(&config.store.part_size.0),
        "[store] part_size: expected 5MiB to 64MiB",
    );
    refuse(
        config.limits.max_output_bytes.0 > parts::capacity(config.store.part_size.0),
        "[limits] max_output_bytes: more than 10,000 parts can hold; raise [store] part_size",
    );
    refuse(
        !((1 << 20)..=(1 << 30)).contains(&config.store.read_buffer.0),
        "[store] read_buffer: expected 1MiB to 1GiB",
    );
    refuse(!(1..=1024).contains(&config.webhooks.concurrency), "[webhooks] concurrency: expected 1 to 1024");
    // The edge leases an event for a minute.
    refuse(
        config.webhooks.timeout < seconds(1) || config.webhooks.timeout > seconds(40),
        "[webhooks] timeout: expected 1 s to 40 s",
    );
    refuse(smtp.host.is_some() && smtp.from.is_none(), "[smtp] from: required with host");
    refuse(
        smtp.username.is_some() != smtp.password.is_some(),
        "[smtp] username and password: give both or neither",
    );
    refuse(
        smtp.password.is_some() && smtp.tls == Tls::None,
        "[smtp] password: refused over an unprotected connection; set tls",
    );
}
