//! Component `web`: the page with its files, the OpenAPI document, the page to try it, and a problem document for every
//! other path.

mod asset;
mod config;
mod docs;
mod document;
mod forgot;
mod home;
mod page;
mod reset;
mod verify;

pub use config::WebConfig;
pub use page::Asset;

use crate::http::{Route, Router, component};
use crate::openapi;

/// The service of this component.
#[derive(Clone, Debug)]
pub struct Web {
    assets: &'static [Asset],
    policy: String,
}

impl Web {
    /// The service of a page that is made of these files.
    pub fn new(assets: &'static [Asset], config: &WebConfig) -> Self {
        Self { assets, policy: page::policy(&config.object_store) }
    }
}

component! {
    Web where [];
    router: Router::new(&every_route());
    call: [home, forgot, reset, verify, asset, docs, document]
}

/// The routes of this component, followed by those of all others, so that a wrong method (405) is distinguished from a
/// wrong path (404).
fn every_route() -> Vec<Route> {
    let others = openapi::COMPONENTS.iter().filter(|component| component.name != "web");
    ROUTES.iter().chain(others.flat_map(|component| component.routes)).cloned().collect()
}

#[cfg(test)]
mod tests;
