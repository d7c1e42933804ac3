//! How many password hashes are computed at once for one instance of `auth`.

use std::cell::Cell;
use std::rc::Rc;

/// Lets so many in at the same time. An instance has one thread, so it counts without locks; who is not let
/// in asks again later, because no task of an instance can wake another one.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    most: u32,
    inside: Rc<Cell<u32>>,
}

/// The right to have one hash computed; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Rc<Cell<u32>>);

impl Gate {
    pub(super) fn new(most: u32) -> Self {
        Self { most, inside: Rc::new(Cell::new(0)) }
    }

    pub(super) fn enter(&self) -> Option<Turn> {
        let inside = self.inside.get();
        (inside < self.most).then(|| {
            self.inside.set(inside + 1);
            Turn(Rc::clone(&self.inside))
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_no_more_until_one_leaves() {
        let gate = Gate::new(2);
        let (first, _second) = (gate.enter().unwrap(), gate.clone().enter().unwrap());
        assert!(gate.enter().is_none());
        drop(first);
        assert!(gate.enter().is_some());
    }
}
