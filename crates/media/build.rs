//! Compiles the JPEG encoder's C part against the libjpeg-turbo that `turbojpeg-sys` has built, checks what
//! it knows of that library's inside, and says which FFmpeg it is that `ffmpeg-sys-next` has found.
#![expect(clippy::unwrap_used, reason = "a build that lacks its environment has to fail")]

use std::path::{Path, PathBuf};

fn main() {
    for file in ["jpeg.c", "jpeg_layout.c", "jpeg_quantizer.h"] {
        println!("cargo::rerun-if-changed=src/ffi/{file}");
    }
    let include = PathBuf::from(std::env::var_os("DEP_TURBOJPEG_INCLUDE").unwrap());
    // CMake remembers where the library's sources are.
    let build = include.with_file_name("build");
    let cache = std::fs::read_to_string(build.join("CMakeCache.txt")).unwrap();
    let home = cache.lines().find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL=")).unwrap();
    cc::Build::new()
        .file("src/ffi/jpeg_layout.c")
        .includes([&include, &build, &Path::new(home).join("src")])
        .warnings(false)
        .cargo_metadata(false)
        .compile("framelift_jpeg_layout");
    cc::Build::new().file("src/ffi/jpeg.c").include(include).opt_level(2).compile("framelift_jpeg");

    println!("cargo::rustc-check-cfg=cfg(ffmpeg_6)");
    let is_at_least =
        |version| std::env::var(format!("DEP_FFMPEG_FFMPEG_{version}")).is_ok_and(|is| is == "true");
    if is_at_least("6_0") {
        println!("cargo::rustc-cfg=ffmpeg_6");
    } else if !is_at_least("5_1") {
        println!("cargo::error=FFmpeg is too old: 5.1 is needed, or a newer one");
    }
}
