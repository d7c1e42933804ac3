//! A component's configuration, from its variables.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread::LocalKey;

use spin_sdk::variables::{self, Error};

use crate::http::Failure;
use crate::ports::Unavailable;

/// Where an instance keeps its configuration.
pub type Slot<C> = LocalKey<RefCell<Option<Rc<C>>>>;

/// The configuration, read once in the life of the instance. A failed read is retried by the next
/// request.
pub async fn configured<C>(
    slot: &'static Slot<C>,
    names: &[&'static str],
    parse: impl FnOnce(&BTreeMap<&'static str, String>) -> Result<C, Vec<String>>,
) -> Result<Rc<C>, Failure> {
    if let Some(config) = slot.with_borrow(Clone::clone) {
        return Ok(config);
    }
    let unusable = |problems: Vec<String>| Failure::unconfigured(problems.join("; "));
    let config = Rc::new(parse(&read(names).await?).map_err(unusable)?);
    slot.set(Some(Rc::clone(&config)));
    Ok(config)
}

/// The values of those variables that the component has. An error means that the provider of variables does not
/// answer.
async fn read(names: &[&'static str]) -> Result<BTreeMap<&'static str, String>, Unavailable> {
    let mut values = BTreeMap::new();
    for name in names {
        match variables::get(name).await {
            Ok(value) => {
                values.insert(*name, value);
            }
            Err(Error::Undefined(_)) => {}
            Err(error) => {
                return Err(Unavailable { what: "configuration", detail: format!("{name}: {error:?}") });
            }
        }
    }
    Ok(values)
}
