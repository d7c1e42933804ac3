//! Archives of every size, opened by readers that are not ours.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::Path;
use std::process::Command;

use super::*;

fn count(out: &mut dyn Write, entries: &[Entry]) -> io::Result<()> {
    writeln!(out, "{}", entries.len())
}

fn archive(members: usize) -> Vec<u8> {
    let mut archive = Archive::new(Vec::new(), "jpg", u64::MAX);
    for i in 0..members {
        let bytes = (i as u32).to_le_bytes();
        archive.image(&bytes, crc32fast::hash(&bytes)).unwrap();
    }
    archive.finish(count).unwrap().0
}

#[test]
fn another_reader_opens_it() {
    // One below, at and above the number of members that the short directory can hold.
    for members in [0, 1, 65_533, 65_534, 70_000] {
        let bytes = archive(members);
        let mut zip = zip::ZipArchive::new(io::Cursor::new(&bytes)).unwrap();
        assert_eq!(zip.len(), members + 1);
        for i in [0, members / 2, members.saturating_sub(1)] {
            let name = image_name(i, "jpg");
            if i < members {
                let mut member = zip.by_name(&name).unwrap();
                let mut content = Vec::new();
                io::Read::read_to_end(&mut member, &mut content).unwrap();
                assert_eq!(content, (i as u32).to_le_bytes());
            }
        }
        let manifest = io::read_to_string(zip.by_name("manifest.json").unwrap()).unwrap();
        assert_eq!(manifest.trim(), members.to_string());
    }
}

#[test]
fn beyond_the_limit_nothing_is_written() {
    let mut archive = Archive::new(Vec::new(), "jpg", 100);
    assert!(matches!(archive.image(&[0; 101], 0), Err(ArchiveError::TooLarge)));
    assert!(matches!(archive.other("storyboard.jpg", &[0; 101]), Err(ArchiveError::TooLarge)));
    assert_eq!(archive.offset, 0);
}

#[test]
fn a_member_that_a_short_header_cannot_hold_is_refused() {
    let mut archive = Archive::new(io::sink(), "jpg", u64::MAX);
    for size in [u64::from(u32::MAX), 1 << 40] {
        assert!(matches!(archive.begin(MANIFEST, size, 0), Err(ArchiveError::TooLarge)), "{size}");
    }
    assert!(archive.begin(MANIFEST, u64::from(u32::MAX) - 1, 0).is_ok());
}

/// A file in which blocks of zeros are holes: they take no time and no room.
struct Sparse {
    file: File,
    hole: u64,
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= 4096 && bytes.iter().all(|byte| *byte == 0) {
            self.hole += bytes.len() as u64;
        } else {
            self.file.seek(SeekFrom::Current(std::mem::take(&mut self.hole) as i64))?;
            self.file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes `large` members of zeros, of 512 MiB each, and `small` ones with their number.
fn write(path: &Path, large: usize, small: usize) {
    const LARGE: usize = 512 << 20;
    let mut archive = Archive::new(Sparse { file: File::create(path).unwrap(), hole: 0 }, "jpg", u64::MAX);
    let zeros = vec![0; if large > 0 { LARGE } else { 0 }];
    let crc = crc32fast::hash(&zeros);
    for _ in 0..large {
        archive.image(&zeros, crc).unwrap();
    }
    for i in 0..small {
        let bytes = format!("{i}");
        archive.image(bytes.as_bytes(), crc32fast::hash(bytes.as_bytes())).unwrap();
    }
    archive.other("storyboard.vtt", b"WEBVTT\n").unwrap();
    archive.finish(count).unwrap();
}

fn says(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Opens the archive with three programs that people use, and reads the members of `small`.
fn open(path: &Path, large: usize, small: usize) {
    let members = large + small;
    let last = image_name(members - 1, "jpg");
    let zip = path.to_str().unwrap();
    let content = (small - 1).to_string();

    // All of it where that is quick; what lies behind the large ones where it is not.
    let mut unzip = Command::new("unzip");
    unzip.args(["-tq", zip]);
    if large > 0 {
        unzip.args([&last, "storyboard.vtt", "manifest.json"]);
    }
    says(&mut unzip);
    assert_eq!(says(Command::new("unzip").args(["-p", zip, &last])), content);

    let mut seven = Command::new("7z");
    seven.args(["t", "-bd", zip]);
    if large > 0 {
        seven.args([&last, "storyboard.vtt", "manifest.json"]);
    }
    assert!(says(&mut seven).contains("Everything is Ok"));
    assert_eq!(says(Command::new("7z").args(["e", "-so", "-bd", zip, &last])), content);

    let python = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); \
                  print(len(z.namelist()), z.read(sys.argv[2]).decode(), z.read('manifest.json').decode().strip())";
    let output = says(Command::new("python3").args(["-c", python, zip, &last]));
    assert_eq!(output.trim(), format!("{} {content} {members}", members + 2));
}

#[test]
fn other_programs_open_archives_of_every_size() {
    let folder = tempfile::tempdir().unwrap();
    for (name, large, small) in
        [("few.zip", 0, 3), ("many.zip", 0, 70_000), ("large.zip", 8, 3), ("both.zip", 8, 70_000)]
    {
        let path = folder.path().join(name);
        write(&path, large, small);
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(length > u64::from(u32::MAX), large > 0, "{name} has {length} bytes");
        open(&path, large, small);
    }
}
