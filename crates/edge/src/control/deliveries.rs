//! The parts that both calls about a delivery share.

use framelift_contract::problem::ProblemCode;
use framelift_domain::EventId;

use crate::http::{Failure, Incoming};

/// The event that the path's `{id}` names, if it can be one.
pub(super) fn delivery_id(incoming: &Incoming) -> Option<EventId> {
    incoming.param("id").parse().ok()
}

/// The answer where there is nothing to deliver.
pub(super) fn finished() -> Failure {
    Failure::new(ProblemCode::JobFinished, "there is nothing to deliver")
}
