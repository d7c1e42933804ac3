//! Compiles the JPEG encoder's C part against the libjpeg-turbo that `turbojpeg-sys` has built.
#![expect(clippy::unwrap_used, reason = "a build that lacks its environment has to fail")]

fn main() {
    println!("cargo::rerun-if-changed=src/ffi/jpeg.c");
    let include = std::env::var_os("DEP_TURBOJPEG_INCLUDE").unwrap();
    cc::Build::new().file("src/ffi/jpeg.c").include(include).opt_level(2).compile("framelift_jpeg");
}
