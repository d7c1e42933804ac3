//! Archives of every size, opened by readers that are not ours.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::Path;
use std::process::Command;

use super::*;

fn image_name(index: usize) -> String {
    Numbered.image(index as u64 + 1, Rational::ZERO, "jpg")
}

fn add(archive: &mut dyn Archive, name: &str, bytes: &[u8]) {
    let member = Member { name, size: bytes.len() as u64, crc: crc32fast::hash(bytes), image: None };
    archive.add(member, &|out| out.write_all(bytes)).unwrap();
}

fn archive(members: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = Box::new(Zip::new(&mut bytes));
    for i in 0..members {
        add(&mut *archive, &image_name(i), &(i as u32).to_le_bytes());
    }
    add(&mut *archive, "manifest.json", format!("{members}\n").as_bytes());
    let finished = archive.finish().unwrap();
    assert_eq!(finished, Finished { bytes: bytes.len() as u64, sha256: Some(Checksum::of(&bytes)) });
    bytes
}

#[test]
fn another_reader_opens_it() {
    // One below, at and above the number of members that the short directory can hold.
    for members in [0, 1, 65_533, 65_534, 70_000] {
        let bytes = archive(members);
        let mut zip = ::zip::ZipArchive::new(io::Cursor::new(&bytes)).unwrap();
        assert_eq!(zip.len(), members + 1);
        for i in [0, members / 2, members.saturating_sub(1)] {
            let name = image_name(i);
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
fn a_member_that_a_short_header_cannot_hold_is_refused() {
    let mut archive = Zip::new(io::sink());
    for size in [u64::from(u32::MAX), 1 << 40] {
        let member = Member { name: "manifest.json", size, crc: 0, image: None };
        let refused = archive.add(member, &|_| panic!("it is not to be written"));
        assert!(matches!(refused, Err(ArchiveError::TooLarge)), "{size}");
    }
    let member = Member { name: "manifest.json", size: u64::from(u32::MAX) - 1, crc: 0, image: None };
    assert!(archive.add(member, &|_| Ok(())).is_ok());
}

#[test]
fn another_program_reads_a_tar() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.tar");
    let mut archive = Box::new(Tar::new(File::create(&path).unwrap()));
    for i in 0..3 {
        add(&mut *archive, &image_name(i), &vec![i as u8; 511 + i]);
    }
    add(&mut *archive, "manifest.json", b"{}");
    let finished = archive.finish().unwrap();
    assert_eq!(finished.bytes, std::fs::metadata(&path).unwrap().len());
    let tar = path.to_str().unwrap();
    let listed = says(Command::new("tar").args(["--list", "--file", tar]));
    let names = [image_name(0), image_name(1), image_name(2), "manifest.json".to_owned()];
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    says(Command::new("tar").args(["--extract", "--file", tar, "--directory"]).arg(folder.path()));
    for (i, name) in names.iter().take(3).enumerate() {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), vec![i as u8; 511 + i]);
    }
}

#[test]
fn files_stay_in_their_folder_and_are_never_replaced() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("inner");
    std::fs::create_dir(&folder).unwrap();
    let mut files = Files::new(&folder);
    add(&mut files, "frames/a.jpg", b"one");
    for name in ["frames/a.jpg", "../a.jpg", "/tmp/a.jpg", "x/../../a.jpg", ".", ""] {
        let member = Member { name, size: 3, crc: 0, image: None };
        let refused = files.add(member, &|out| out.write_all(b"two"));
        assert!(matches!(refused, Err(ArchiveError::Sink(_))), "{name:?}");
    }
    assert_eq!(std::fs::read(folder.join("frames/a.jpg")).unwrap(), b"one");
    assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
    assert_eq!(Box::new(files).finish().unwrap(), Finished { bytes: 3, sha256: None });
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
    let mut archive = Box::new(Zip::new(Sparse { file: File::create(path).unwrap(), hole: 0 }));
    let zeros = vec![0; if large > 0 { LARGE } else { 0 }];
    let crc = crc32fast::hash(&zeros);
    for i in 0..large {
        let member = Member { name: &image_name(i), size: zeros.len() as u64, crc, image: None };
        archive.add(member, &|out| out.write_all(&zeros)).unwrap();
    }
    for i in 0..small {
        add(&mut *archive, &image_name(large + i), i.to_string().as_bytes());
    }
    add(&mut *archive, "storyboard.vtt", b"WEBVTT\n");
    add(&mut *archive, "manifest.json", format!("{}\n", large + small).as_bytes());
    archive.finish().unwrap();
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
    let last = image_name(members - 1);
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
