//! Names and contents of an archive's members, as another reader finds them.

#![no_main]

use std::io::Read as _;

use framelift_media::{Archive as _, Member, Zip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|members: Vec<(String, Vec<u8>)>| {
    let members: Vec<_> =
        members.into_iter().filter(|(name, _)| name.len() <= usize::from(u16::MAX)).collect();
    let mut bytes = Vec::new();
    let mut zip = Box::new(Zip::new(&mut bytes));
    for (name, content) in &members {
        let (size, crc) = (content.len() as u64, framelift_media::fuzzing::crc(content));
        zip.add(Member { name, size, crc, image: None }, &|sink| sink.write_all(content))
            .expect("memory takes all");
    }
    zip.finish().expect("memory takes all");
    let mut read =
        zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive that others can read");
    let distinct: std::collections::BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
    assert_eq!(read.len(), distinct.len());
    for (name, content) in &members {
        if members.iter().filter(|(other, _)| other == name).count() == 1 {
            let mut found = Vec::new();
            read.by_name(name).expect("each member").read_to_end(&mut found).expect("whole");
            assert_eq!(found, *content);
        }
    }
});
