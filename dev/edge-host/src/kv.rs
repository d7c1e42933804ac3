//! Key-value stores: one database thread for all of them, and the handles that guests hold.

mod database;
mod handles;
mod quirks;
mod spin;
mod wasi;

use std::path::Path;
use std::sync::mpsc;

use tokio::sync::oneshot;

use self::database::Database;
pub(crate) use self::database::{DatabaseError, Snapshot, Swap};
pub(crate) use self::handles::Handles;
use self::quirks::Quirks;
pub use self::quirks::Settings as QuirkSettings;

enum Job {
    Run(Box<dyn FnOnce(&mut Database) + Send>),
    Close(oneshot::Sender<()>),
}

/// The stores of the application. Operations run in order on a separate thread, so that neither SQLite nor
/// the disk blocks the executor.
#[derive(Clone)]
pub(crate) struct Stores {
    jobs: mpsc::Sender<Job>,
}

impl Stores {
    /// Opens the file, or a database in memory that ends with the process.
    pub(crate) fn open(
        file: Option<&Path>,
        settings: QuirkSettings,
        seed: u64,
    ) -> Result<Self, DatabaseError> {
        let mut database = Database::open(file, Quirks::new(settings, seed))?;
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("key-value".to_owned())
            .spawn(move || {
                let mut closing = None;
                for job in queue {
                    match job {
                        Job::Run(operation) => operation(&mut database),
                        Job::Close(closed) => {
                            closing = Some(closed);
                            break;
                        }
                    }
                }
                drop(database);
                drop(closing);
            })
            .map_err(|error| DatabaseError::Thread(error.to_string()))?;
        Ok(Self { jobs })
    }

    /// Closes the file after the operations before; later ones fail.
    pub(crate) async fn close(&self) {
        let (closing, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(closing)).is_ok() {
            // The thread drops its end when the file is closed.
            let _ = closed.await;
        }
    }

    /// Runs an operation; an error becomes a text for the guest.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Database) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Run(Box::new(move |database| {
            // The guest may have ended meanwhile.
            let _ = answer.send(operation(database));
        }));
        let gone = || "the key-value database is gone".to_owned();
        self.jobs.send(job).map_err(|_| gone())?;
        let result = answered.await.map_err(|_| gone())?;
        result.map_err(|error| {
            tracing::warn!(%error, "key-value operation failed");
            error.to_string()
        })
    }
}

/// A store that a guest has opened.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it as `pub`")]
pub struct OpenStore {
    stores: Stores,
    label: String,
}

impl OpenStore {
    pub(crate) fn new(stores: Stores, label: String) -> Self {
        Self { stores, label }
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Database, &str) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, String> {
        let label = self.label.clone();
        self.stores.run(move |database| operation(database, &label)).await
    }
}

/// A compare-and-swap that a guest has begun.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it as `pub`")]
pub struct CasHandle {
    store: OpenStore,
    key: String,
    read: Snapshot,
}
