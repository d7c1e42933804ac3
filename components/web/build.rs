//! Puts the built pages (`dist`) into the component, each file compressed.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> io::Result<()> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("dist");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = vec![dist.join("docs.html"), dist.join("index.html")];
    for entry in fs::read_dir(dist.join("assets"))? {
        files.push(entry?.path());
    }
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let media_type = match extension.as_str() {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => return Err(io::Error::other(format!("{}: has no known media type", path.display()))),
        };
        let compressed = Path::new(&out).join(format!("{name}.gz"));
        let mut encoder = GzEncoder::new(fs::File::create(&compressed)?, Compression::best());
        io::copy(&mut fs::File::open(&path)?, &mut encoder)?;
        encoder.finish()?;
        let _ = writeln!(
            table,
            "Asset {{ name: {name:?}, media_type: {media_type:?}, gzip: include_bytes!({:?}) }},",
            compressed.display().to_string()
        );
    }
    table.push(']');
    fs::write(Path::new(&out).join("assets.rs"), table)
}
