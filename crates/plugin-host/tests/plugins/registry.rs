//! Where compiled plugins are kept.

use std::fs;

use framelift_plugin_host::{Checked, Compiled, Metering, Registry};

const AA: [u8; 32] = [0xaa; 32];
const BB: [u8; 32] = [0xbb; 32];

#[test]
fn what_was_compiled_comes_back_until_there_is_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path().join("code"), 250).unwrap();
    let compiled = |sha256: [u8; 32], metering| Compiled {
        sha256: sha256.into(),
        code: vec![b'\n'; 100],
        metering,
        checked: Checked { refuses_empty: Some("no\ntext".to_owned()), config_schema: None },
    };
    let first = compiled(AA, Metering::Time);
    registry.put(&first).unwrap();
    assert_eq!(registry.get(AA.into(), Metering::Time), Some(first));
    assert_eq!(registry.get(AA.into(), Metering::TimeAndFuel), None);
    assert_eq!(registry.get(BB.into(), Metering::Time), None);
    let others = [compiled(AA, Metering::TimeAndFuel), compiled(BB, Metering::Time)];
    others.iter().for_each(|compiled| registry.put(compiled).unwrap());
    assert_eq!(registry.get(BB.into(), Metering::Time).as_ref(), Some(&others[1]));
    let files = fs::read_dir(folder.path().join("code")).unwrap().count();
    assert_eq!(files, 1, "each has 145 bytes");
}
