//! AVIF: a still picture of AV1 by rav1e, 8 bit, 4:2:0.
//!
//! One tile, one thread, a fixed quantizer: the same picture gives the same bytes everywhere.

use avif_serialize::{Aviffy, constants};
use rav1e::prelude::{
    ChromaSamplePosition, ChromaSampling, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig,
    EncoderStatus, MatrixCoefficients, PixelRange, TransferCharacteristics, Tune,
};

use super::EncodeError;
use crate::ffi::Planes420;

/// rav1e's scale to 10 (fast). One step down takes 1.7 times as long for 2 % fewer bytes.
const SPEED: u8 = 10;

/// Encodes full-range BT.601 planes, as JPEG has them. `quality` from 1 to 100 maps to AV1's quantizer index:
/// 255 at 1, 25 at 90, 1 at 100 (0 would be the lossless mode).
pub(super) fn encode(image: &Planes420<'_>, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let failed = |error: &dyn std::fmt::Display| EncodeError::Encode(error.to_string());
    let mut config = EncoderConfig::with_speed_preset(SPEED);
    (config.width, config.height) = (image.width as usize, image.height as usize);
    config.still_picture = true;
    config.chroma_sampling = ChromaSampling::Cs420;
    config.chroma_sample_position = ChromaSamplePosition::Unknown;
    config.pixel_range = PixelRange::Full;
    config.color_description = Some(ColorDescription {
        color_primaries: ColorPrimaries::BT709,
        transfer_characteristics: TransferCharacteristics::SRGB,
        matrix_coefficients: MatrixCoefficients::BT601,
    });
    config.tune = Tune::Psnr;
    config.quantizer = quantizer(quality);
    let mut context: Context<u8> = Config::new()
        .with_encoder_config(config)
        .with_threads(1)
        .new_context()
        .map_err(|error| failed(&error))?;
    let mut frame = context.new_frame();
    for (index, plane) in frame.planes.iter_mut().enumerate() {
        let side = |side: u32| if index == 0 { side } else { side.div_ceil(2) } as usize;
        let stride = plane.cfg.stride;
        let rows = image.planes[index].chunks(image.strides[index]).take(side(image.height));
        for (to, from) in plane.data_origin_mut().chunks_mut(stride).zip(rows) {
            to[..side(image.width)].copy_from_slice(&from[..side(image.width)]);
        }
    }
    context.send_frame(frame).map_err(|error| failed(&error))?;
    context.flush();
    let mut picture = Vec::new();
    loop {
        match context.receive_packet() {
            Ok(packet) => picture.extend(packet.data),
            Err(EncoderStatus::Encoded) => {}
            Err(EncoderStatus::LimitReached) => break,
            Err(error) => return Err(failed(&error)),
        }
    }
    let mut container = Aviffy::new();
    container
        .set_chroma_subsampling((true, true))
        .set_seq_profile(0)
        .set_full_color_range(true)
        .set_color_primaries(constants::ColorPrimaries::Bt709)
        .set_transfer_characteristics(constants::TransferCharacteristics::Srgb)
        .set_matrix_coefficients(constants::MatrixCoefficients::Bt601);
    Ok(container.to_vec(&picture, None, image.width, image.height, 8))
}

fn quantizer(quality: u8) -> usize {
    (255 * (100 - usize::from(quality.clamp(1, 100))) / 99).max(1)
}
