//! What is said of real streams, against a decoder that is given the consequences; and bytes
//! that are no stream.

mod damaged;
mod real;
pub(crate) mod streams;
