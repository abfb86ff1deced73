//! Colour: what RGB is converted to, and that the stream says so.
#![allow(clippy::unwrap_used)]

use crate::common::{config, decode, encoders, picture, size, sps};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::frame::{Plane, RgbOrder};
use direct264::units::SampleAspect;
use direct264::{Backend, Frame, FrameSize, Picture, PixelFormat, QpRange, Timestamp};

const COLOURS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [0, 0, 0],
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [128, 128, 128],
    [200, 120, 40],
    [30, 90, 180],
];

const ALL: [Colour; 4] = [
    Colour { matrix: ColourMatrix::Bt709, range: ColourRange::Limited },
    Colour { matrix: ColourMatrix::Bt709, range: ColourRange::Full },
    Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited },
    Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Full },
];

/// The definition (ITU-R BT.709 and BT.601), in floating point.
fn yuv(rgb: [u8; 3], colour: Colour) -> [f64; 3] {
    let [r, g, b] = rgb.map(|level| f64::from(level) / 255.0);
    let (kr, kb) = match colour.matrix {
        ColourMatrix::Bt709 => (0.2126, 0.0722),
        ColourMatrix::Bt601 => (0.299, 0.114),
        other => panic!("{other:?}"),
    };
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (u, v) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
    match colour.range {
        ColourRange::Limited => [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v],
        ColourRange::Full => [255.0 * y, 128.0 + 255.0 * u, 128.0 + 255.0 * v],
    }
}

/// Eight fields of one colour each, as packed pixels whose fourth byte is rubbish.
fn fields(size: FrameSize, order: RgbOrder, stride_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; stride_bytes * size.height() as usize];
    for row in bytes.chunks_exact_mut(stride_bytes) {
        for (column, pixel) in
            row.chunks_exact_mut(order.bytes_per_pixel()).take(size.width() as usize).enumerate()
        {
            let [r, g, b] = COLOURS[column * 8 / size.width() as usize];
            let packed = match order {
                RgbOrder::Rgb24 | RgbOrder::Rgba => [r, g, b],
                RgbOrder::Bgr24 | RgbOrder::Bgra => [b, g, r],
                other => panic!("{other:?}"),
            };
            pixel[..3].copy_from_slice(&packed);
        }
    }
    bytes
}

#[test]
fn every_order_matrix_and_range_comes_out_as_defined_and_is_signalled() {
    let size = size(256, 64);
    for colour in ALL {
        for order in [RgbOrder::Rgb24, RgbOrder::Bgr24, RgbOrder::Rgba, RgbOrder::Bgra] {
            // Rows with room behind them, and a last row that does not reach the stride.
            let stride_bytes = 256 * order.bytes_per_pixel() + 20;
            let mut pixels = fields(size, order, stride_bytes);
            pixels.truncate(stride_bytes * 63 + 256 * order.bytes_per_pixel());
            let fine = config(size, 30, 8_000).colour(colour).qp_range(QpRange::new(0, 10).unwrap());
            for mut encoder in encoders(&fine) {
                let plane = Plane::new(&pixels, stride_bytes);
                let frame = Frame::rgb(size, order, plane, Timestamp(0)).unwrap();
                let unit = encoder.encode(&frame, Picture::Auto).unwrap().to_owned();
                let decoded = decode::openh264([&unit.bytes[..]].into_iter()).remove(0);
                let rows = [0, 32, 62, 63];
                for ((field, rgb), row) in
                    COLOURS.into_iter().enumerate().flat_map(|field| rows.map(|row| (field, row)))
                {
                    let luma = decoded[row * 256 + field * 32 + 16];
                    let chroma = row / 2 * 128 + field * 16 + 8;
                    let got = [luma, decoded[256 * 64 + chroma], decoded[256 * 64 * 5 / 4 + chroma]];
                    for (got, expected) in got.into_iter().zip(yuv(rgb, colour)) {
                        assert!(
                            (f64::from(got) - expected.min(255.0)).abs() <= 2.5,
                            "{colour:?} {order:?} {rgb:?}: {got} for {expected}"
                        );
                    }
                }
                let vui = sps::first(&unit.bytes).vui_parameters.unwrap();
                let signal = vui.video_signal_type.unwrap();
                assert_eq!(signal.video_full_range_flag, colour.range == ColourRange::Full);
                let told = signal.colour_description.unwrap();
                let code = colour.matrix.code_point();
                assert_eq!(
                    (told.colour_primaries, told.transfer_characteristics, told.matrix_coefficients),
                    (code, code, code)
                );
            }
        }
    }
}

#[test]
fn odd_rgb_pictures_are_padded_too() {
    for (width, height) in [(33, 17), (17, 34), (34, 17), (319, 179), (321, 16), (17, 17)] {
        let size = size(width, height);
        for order in [RgbOrder::Rgb24, RgbOrder::Bgra] {
            let grey = vec![90; PixelFormat::Rgb(order).frame_bytes(size)];
            for mut encoder in encoders(&config(size, 30, 2_000)) {
                let frame = Frame::contiguous(size, PixelFormat::Rgb(order), &grey, Timestamp(0)).unwrap();
                let unit = encoder.encode(&frame, Picture::Auto).unwrap().to_owned();
                let decoded = decode::openh264([&unit.bytes[..]].into_iter()).remove(0);
                let expected = yuv([90; 3], Colour::BT709_LIMITED)[0];
                let luma =
                    &decoded[..(encoder.coded_size().width() * encoder.coded_size().height()) as usize];
                let furthest = luma.iter().map(|&y| (f64::from(y) - expected).abs()).fold(0.0, f64::max);
                // The double codes what lies at the edge of such a small picture more coarsely, of even size too.
                let most = if encoder.backend() == Backend::Nvenc { 6.0 } else { 2.0 };
                assert!(furthest < most, "{size} {order:?} {}: {furthest}", encoder.backend());
            }
        }
    }
}

#[test]
fn i420_and_nv12_with_padded_rows_give_the_stream_that_tight_ones_give() {
    let size = size(320, 240);
    let tight = picture::Camera::new(size).i420(3);
    let (y, chroma) = tight.split_at(320 * 240);
    let (u, v) = chroma.split_at(160 * 120);
    let spread = |plane: &[u8], row: usize, stride: usize| -> Vec<u8> {
        let mut bytes: Vec<u8> =
            plane.chunks_exact(row).flat_map(|r| [r, &vec![0xee; stride - row][..]].concat()).collect();
        bytes.truncate(bytes.len() - (stride - row));
        bytes
    };
    let uv: Vec<u8> = u.iter().zip(v).flat_map(|(&u, &v)| [u, v]).collect();
    let (y_wide, u_wide, v_wide) = (spread(y, 320, 352), spread(u, 160, 200), spread(v, 160, 170));
    let uv_wide = spread(&uv, 320, 400);
    let (y_plane, time) = (Plane::new(&y_wide, 352), Timestamp(0));
    let frames = [
        Frame::contiguous(size, PixelFormat::I420, &tight, time).unwrap(),
        Frame::i420(size, y_plane, Plane::new(&u_wide, 200), Plane::new(&v_wide, 170), time).unwrap(),
        Frame::i420(size, y_plane, Plane::new(&u_wide, 200), Plane::new(v, 160), time).unwrap(),
        Frame::nv12(size, y_plane, Plane::new(&uv_wide, 400), time).unwrap(),
        Frame::nv12(size, Plane::new(y, 320), Plane::new(&uv, 320), time).unwrap(),
    ];
    let config = config(size, 30, 1_000);
    let streams: Vec<Vec<Vec<u8>>> = frames
        .iter()
        .map(|frame| {
            encoders(&config)
                .iter_mut()
                .map(|encoder| encoder.encode(frame, Picture::Auto).unwrap().bytes.to_vec())
                .collect()
        })
        .collect();
    for other in &streams[1..] {
        assert!(*other == streams[0]);
    }
}

#[test]
fn the_shape_of_a_pixel_is_told_to_players() {
    let config = config(size(352, 288), 25, 500).sample_aspect(Some(SampleAspect::new(128, 117).unwrap()));
    for mut encoder in encoders(&config) {
        let bytes = encoder.parameter_sets().unwrap();
        let vui = sps::first(&bytes).vui_parameters.unwrap();
        assert_eq!(vui.aspect_ratio_info.unwrap().get(), Some((128, 117)));
    }
}
