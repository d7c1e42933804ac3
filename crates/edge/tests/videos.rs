//! The calls over the videos, whole: requests in, answers out, over a store in memory and the
//! local cloud's bucket and queue behind the HTTP port.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

#[path = "videos/cloud.rs"]
mod cloud;
#[path = "videos/world.rs"]
mod world;

#[path = "videos/access.rs"]
mod access;
#[path = "videos/bad_input.rs"]
mod bad_input;
#[path = "videos/documented.rs"]
mod documented;
#[path = "videos/events.rs"]
mod events;
#[path = "videos/frames.rs"]
mod frames;
#[path = "videos/life.rs"]
mod life;
#[path = "videos/manifest.rs"]
mod manifest;
#[path = "videos/options.rs"]
mod options;
#[path = "videos/plugins.rs"]
mod plugins;
#[path = "videos/streamed.rs"]
mod streamed;
#[path = "videos/trouble.rs"]
mod trouble;
#[path = "videos/webhooks.rs"]
mod webhooks;
#[path = "videos/workers.rs"]
mod workers;
