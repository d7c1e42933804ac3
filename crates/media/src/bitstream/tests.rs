//! Checks the answers on real streams against a decoder, and that damaged bytes do no harm.

mod damaged;
mod real;
pub(crate) mod streams;
