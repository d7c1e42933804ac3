//! Compiled plugins in memory, each compiled by one job at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use framelift_domain::Checksum;
use framelift_plugin_host::Compiled;
use tokio_util::sync::CancellationToken;

/// The most bytes of compiled code kept in memory: a plugin in Rust has about one megabyte, one with an
/// interpreter up to a hundred.
const MAX_KEPT_BYTES: usize = 512 << 20;

/// The plugins that this process has compiled. They are in memory, so that a killed worker leaves nothing on disk.
#[derive(Debug, Default)]
pub(crate) struct CompiledPlugins {
    /// The last used one is at the end.
    kept: Mutex<Vec<Arc<Compiled>>>,
    /// Held by the job that compiles a component.
    compiling: Mutex<HashMap<Checksum, Weak<tokio::sync::Mutex<()>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CompiledPlugins {
    /// Returns the code of a component: the kept one, or what `compile` returns. While one caller compiles, others wait
    /// for it; if it fails, the next one compiles. `None` if the caller was cancelled while it waited.
    pub(super) async fn get_or_compile<E>(
        &self,
        sha256: Checksum,
        cancel: &CancellationToken,
        compile: impl Future<Output = Result<Compiled, E>>,
    ) -> Option<Result<Arc<Compiled>, E>> {
        if let Some(known) = self.get(sha256) {
            return Some(Ok(known));
        }
        let turn = self.turn(sha256);
        let _turn = tokio::select! {
            turn = turn.lock() => turn,
            () = cancel.cancelled() => return None,
        };
        if let Some(known) = self.get(sha256) {
            return Some(Ok(known));
        }
        let compiled = compile.await.map(Arc::new);
        if let Ok(compiled) = &compiled {
            self.put(compiled);
        }
        Some(compiled)
    }

    fn turn(&self, sha256: Checksum) -> Arc<tokio::sync::Mutex<()>> {
        let mut compiling = locked(&self.compiling);
        compiling.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = compiling.get(&sha256).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        compiling.insert(sha256, Arc::downgrade(&turn));
        turn
    }

    fn get(&self, sha256: Checksum) -> Option<Arc<Compiled>> {
        let mut kept = locked(&self.kept);
        let at = kept.iter().position(|compiled| compiled.sha256 == sha256)?;
        let found = kept.remove(at);
        kept.push(Arc::clone(&found));
        Some(found)
    }

    /// Adds one; the least recently used ones are evicted for it.
    fn put(&self, compiled: &Arc<Compiled>) {
        let mut kept = locked(&self.kept);
        kept.retain(|other| other.sha256 != compiled.sha256);
        kept.push(Arc::clone(compiled));
        let mut bytes: usize = kept.iter().map(|compiled| compiled.code.len()).sum();
        while bytes > MAX_KEPT_BYTES {
            bytes -= kept.remove(0).code.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use framelift_plugin_host::{Checked, Metering};

    use super::*;

    fn compiled(sha256: [u8; 32]) -> Compiled {
        let (code, checked) = (vec![1], Checked::default());
        Compiled { sha256: sha256.into(), code, metering: Metering::Time, checked }
    }

    #[tokio::test]
    async fn a_component_is_compiled_once_for_all_that_wait_for_it() {
        let (plugins, cancel) = (CompiledPlugins::default(), CancellationToken::new());
        let count = AtomicUsize::new(0);
        let get = |sha256: [u8; 32], fails: bool| {
            let (plugins, cancel, count) = (&plugins, &cancel, &count);
            async move {
                let compile = async {
                    count.fetch_add(1, Relaxed);
                    tokio::task::yield_now().await;
                    if fails { Err("it failed") } else { Ok(compiled(sha256)) }
                };
                plugins.get_or_compile(sha256.into(), cancel, compile).await.unwrap().is_ok()
            }
        };
        let (one, same, other) = tokio::join!(get([1; 32], false), get([1; 32], false), get([2; 32], false));
        assert_eq!((one && same && other, count.load(Relaxed)), (true, 2));
        assert!(get([1; 32], true).await);
        assert_eq!(count.load(Relaxed), 2, "it is kept");
        // One that fails leaves its turn to the next.
        let (failed, next) = tokio::join!(get([3; 32], true), get([3; 32], false));
        assert_eq!((failed, next, count.load(Relaxed)), (false, true, 4));
    }

    #[tokio::test]
    async fn who_is_cancelled_waits_no_longer() {
        let (plugins, cancel) = (CompiledPlugins::default(), CancellationToken::new());
        let turn = plugins.turn([1; 32].into());
        let _held = turn.lock().await;
        cancel.cancel();
        let compile = async { Ok::<_, ()>(compiled([1; 32])) };
        assert!(plugins.get_or_compile([1; 32].into(), &cancel, compile).await.is_none());
    }
}
