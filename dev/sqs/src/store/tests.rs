//! The file itself: one owner, known layouts.

use super::*;

fn naming() -> Naming {
    Naming { region: "eu-central-1".to_owned(), account_id: "000000000000".to_owned() }
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let first = Store::open(&path, naming()).unwrap();
    assert!(matches!(Store::open(&path, naming()), Err(StartError::InUse { .. })));
    drop(first);
    assert!(Store::open(&path, naming()).is_ok());
}

#[test]
fn an_unknown_layout_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);
    for _ in 0..2 {
        assert!(matches!(Store::open(&path, naming()), Err(StartError::Version { version: 99, .. })));
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    fs::write(&path, "not a database, and long enough to be sure of it").unwrap();
    assert!(matches!(Store::open(&path, naming()), Err(StartError::Open { .. })));
}
