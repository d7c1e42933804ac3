//! Limits the key-value handles of an instance as Spin does, which does not release handles that were swapped.

use wasmtime::component::{Resource, ResourceTableError};

use super::{CasHandle, OpenStore};
use crate::guest::View;

/// Maximum of open stores, and of swaps, of an instance.
const MAX_OPEN: u32 = 256;

/// The handles that an instance counts as holding.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    stores: u32,
    swaps: u32,
}

/// Counts one more; an error at the limit.
fn take(count: &mut u32) -> bool {
    let free = *count < MAX_OPEN;
    *count += u32::from(free);
    free
}

impl View<'_> {
    /// Gives the guest a store; nothing where it holds too many.
    pub(super) fn add_store(
        &mut self,
        store: OpenStore,
    ) -> Result<Option<Resource<OpenStore>>, ResourceTableError> {
        take(&mut self.handles.stores).then(|| self.table.push(store)).transpose()
    }

    /// Takes a store back.
    pub(super) fn drop_store(&mut self, store: Resource<OpenStore>) -> Result<(), ResourceTableError> {
        self.table.delete(store)?;
        self.handles.stores -= 1;
        Ok(())
    }

    /// Gives the guest a compare-and-swap; nothing where it holds too many.
    pub(super) fn add_swap(
        &mut self,
        cas: CasHandle,
    ) -> Result<Option<Resource<CasHandle>>, ResourceTableError> {
        take(&mut self.handles.swaps).then(|| self.table.push(cas)).transpose()
    }

    /// Takes a compare-and-swap back that was not used.
    pub(super) fn drop_swap(&mut self, cas: Resource<CasHandle>) -> Result<(), ResourceTableError> {
        self.table.delete(cas)?;
        self.handles.swaps -= 1;
        Ok(())
    }

    /// Takes a compare-and-swap for its one swap. Spin drops the guest's handle but not what it stands
    /// for, so it counts until the instance ends.
    pub(super) fn use_swap(&mut self, cas: Resource<CasHandle>) -> Result<CasHandle, ResourceTableError> {
        self.table.delete(cas)
    }
}
