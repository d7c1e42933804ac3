//! The stores' operations, exact and with quirks.

use super::*;
use crate::kv::quirks::Settings;

fn database(quirks: &str) -> Database {
    let settings: Settings = quirks.parse().unwrap();
    Database::open(None, Quirks::new(settings, 1)).unwrap()
}

#[test]
fn values_are_kept_per_store() {
    let mut db = database("");
    assert_eq!(db.get("a", "k").unwrap(), None);
    assert!(!db.exists("a", "k").unwrap());
    db.set("a", "k", b"one").unwrap();
    db.set("b", "k", b"").unwrap();
    assert_eq!(db.get("a", "k").unwrap().unwrap(), b"one");
    assert_eq!(db.get("b", "k").unwrap().unwrap(), b"");
    assert!(db.exists("a", "k").unwrap());
    db.set("a", "k", b"two").unwrap();
    assert_eq!(db.get("a", "k").unwrap().unwrap(), b"two");
    db.delete("a", "k").unwrap();
    db.delete("a", "k").unwrap();
    assert_eq!(db.get("a", "k").unwrap(), None);
    assert!(db.exists("b", "k").unwrap());
}

#[test]
fn many_keys_at_once() {
    let mut db = database("");
    let entries = [("x", "1"), ("y", "2")].map(|(k, v)| (k.to_owned(), v.as_bytes().to_vec()));
    db.set_many("a", &entries).unwrap();
    assert_eq!(db.keys("a").unwrap(), ["x", "y"]);
    let keys = ["y", "z", "x"].map(str::to_owned);
    let rows = db.get_many("a", keys.to_vec()).unwrap();
    let expected = [("y", Some("2")), ("z", None), ("x", Some("1"))]
        .map(|(key, value)| (key.to_owned(), value.map(|value| value.as_bytes().to_vec())));
    assert_eq!(rows, expected);
    db.delete_many("a", &keys).unwrap();
    assert_eq!(db.keys("a").unwrap(), Vec::<String>::new());
}

#[test]
fn a_swap_writes_only_over_what_was_read() {
    let mut db = database("");
    let missing = db.snapshot("a", "k").unwrap();
    assert_eq!(missing, Snapshot::default());
    assert_eq!(db.swap("a", "k", missing.version, b"1").unwrap(), Swap::Written);
    assert_eq!(db.swap("a", "k", missing.version, b"2").unwrap(), Swap::Conflict);
    let read = db.snapshot("a", "k").unwrap();
    assert_eq!(read.value.as_deref(), Some(&b"1"[..]));
    assert_eq!(db.swap("a", "k", read.version, b"2").unwrap(), Swap::Written);
    assert_eq!(db.swap("a", "k", read.version, b"3").unwrap(), Swap::Conflict);
    assert_eq!(db.get("a", "k").unwrap().unwrap(), b"2");
}

#[test]
fn the_same_bytes_written_again_are_another_version() {
    let mut db = database("");
    db.set("a", "k", b"1").unwrap();
    let read = db.snapshot("a", "k").unwrap();
    db.set("a", "k", b"1").unwrap();
    assert_eq!(db.swap("a", "k", read.version, b"2").unwrap(), Swap::Conflict);
    let read = db.snapshot("a", "k").unwrap();
    db.delete("a", "k").unwrap();
    db.set("a", "k", b"1").unwrap();
    assert_eq!(db.swap("a", "k", read.version, b"2").unwrap(), Swap::Conflict);
    db.delete("a", "k").unwrap();
    assert_eq!(db.swap("a", "k", read.version, b"2").unwrap(), Swap::Conflict);
    assert_eq!(db.get("a", "k").unwrap(), None);
}

#[test]
fn numbers_are_eight_bytes() {
    let mut db = database("");
    assert_eq!(db.increment("a", "n", 5).unwrap(), 5);
    assert_eq!(db.increment("a", "n", -7).unwrap(), -2);
    assert_eq!(db.get("a", "n").unwrap().unwrap(), (-2_i64).to_le_bytes());
    assert_eq!(db.increment("a", "n", 0).unwrap(), -2);
    db.set("a", "text", b"12").unwrap();
    let refused = db.increment("a", "text", 1).unwrap_err();
    assert!(matches!(refused, DatabaseError::NotANumber(_)), "{refused}");
    assert_eq!(db.increment("a", "n", i64::MIN + 10).unwrap(), i64::MIN + 8);
    let refused = db.increment("a", "n", -9).unwrap_err();
    assert!(matches!(refused, DatabaseError::Overflow(_)), "{refused}");
}

#[test]
fn the_file_keeps_values_and_versions_and_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kv.sqlite");
    let none = || Quirks::new(Settings::default(), 1);
    let mut db = Database::open(Some(&file), none()).unwrap();
    db.set("a", "k", b"1").unwrap();
    let read = db.snapshot("a", "k").unwrap();
    let refused = Database::open(Some(&file), none());
    assert!(matches!(refused, Err(DatabaseError::InUse)));
    drop(db);
    let mut db = Database::open(Some(&file), none()).unwrap();
    assert_eq!(db.snapshot("a", "k").unwrap(), read);
    db.set("a", "k", b"2").unwrap();
    assert!(db.snapshot("a", "k").unwrap().version > read.version);
}

#[test]
fn a_conflict_may_be_told_although_the_write_landed() {
    let mut db = database("conflict-although-written");
    let mut lies = 0;
    for round in 0..200_u32 {
        let read = db.snapshot("a", "k").unwrap();
        let value = round.to_string();
        let told = db.swap("a", "k", read.version, value.as_bytes()).unwrap();
        lies += u32::from(told == Swap::Conflict);
        assert_eq!(db.get("a", "k").unwrap().unwrap(), value.as_bytes());
    }
    assert!((10..100).contains(&lies), "{lies}");
}

#[test]
fn a_create_may_overwrite() {
    let mut db = database("create-overwrites");
    assert_eq!(db.swap("a", "k", None, b"1").unwrap(), Swap::Written);
    assert_eq!(db.swap("a", "k", None, b"2").unwrap(), Swap::Written);
    let read = db.snapshot("a", "k").unwrap();
    assert_eq!(read.value.unwrap(), b"2");
    assert_eq!(db.swap("a", "k", Some(0), b"3").unwrap(), Swap::Conflict);
}

#[test]
fn missing_rows_may_be_left_out() {
    let mut db = database("missing-rows-left-out");
    db.set("a", "x", b"1").unwrap();
    let rows = db.get_many("a", ["x", "z"].map(str::to_owned).to_vec()).unwrap();
    assert_eq!(rows, [("x".to_owned(), Some(b"1".to_vec()))]);
}

#[test]
fn a_read_may_be_stale_once_and_never_under_a_swap() {
    let mut db = database("stale-reads");
    let mut stale = 0;
    for round in 1..200_u32 {
        let before = db.snapshot("a", "k").unwrap().value;
        let value = round.to_string().into_bytes();
        db.set("a", "k", &value).unwrap();
        assert_eq!(db.snapshot("a", "k").unwrap().value.as_ref(), Some(&value));
        let read = db.get("a", "k").unwrap();
        if read.as_ref() != Some(&value) {
            assert_eq!(read, before);
            stale += 1;
        }
        assert_eq!(db.get("a", "k").unwrap(), Some(value));
    }
    assert!(stale > 0);
}
