//! The component's variables, all at once.

use std::collections::BTreeMap;

use spin_sdk::variables::{self, Error};

use crate::ports::Unavailable;

/// The values of those variables; one that the component has not is missing. An error is a
/// provider that does not answer.
pub async fn read(names: &[&'static str]) -> Result<BTreeMap<&'static str, String>, Unavailable> {
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
