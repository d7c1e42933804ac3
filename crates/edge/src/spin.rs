//! The ports over Spin, for the guests: this module exists on Wasm only.

mod ambient;
pub mod guest;
mod http;
mod kv;
mod variables;

pub use ambient::SpinAmbient;
pub use http::SpinHttp;
pub use kv::SpinKv;
pub use variables::{Slot, configured};
