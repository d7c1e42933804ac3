//! Compiles the JPEG encoder's C part against the libjpeg-turbo that `turbojpeg-sys` has built, and says
//! which FFmpeg it is that `ffmpeg-sys-next` has found.
#![expect(clippy::unwrap_used, reason = "a build that lacks its environment has to fail")]

fn main() {
    println!("cargo::rerun-if-changed=src/ffi/jpeg.c");
    let include = std::env::var_os("DEP_TURBOJPEG_INCLUDE").unwrap();
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
