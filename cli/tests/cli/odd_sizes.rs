//! Sizes that 4:2:0 cannot express are padded to even, and nothing else is done to them.

use crate::support::{Ffmpeg, direct264, pictures, psnr, run_with};

/// The top left `width` by `height` of the luma of I420 pictures that are `stride` wide and `rows` high.
fn luma(pictures: &[u8], (stride, rows): (usize, usize), (width, height): (usize, usize)) -> Vec<u8> {
    let picture = stride * rows + 2 * stride.div_ceil(2) * rows.div_ceil(2);
    let crop = |picture: &[u8]| -> Vec<u8> {
        picture.chunks(stride).take(height).flat_map(|row| row[..width].to_vec()).collect()
    };
    pictures.chunks_exact(picture).flat_map(crop).collect()
}

#[test]
fn an_odd_clip_comes_back_one_pixel_larger() {
    let Some(ffmpeg) = Ffmpeg::found("odd_sizes") else { return };
    for (width, height) in [(161, 97), (160, 97), (161, 96), (17, 17)] {
        // The source makes even sizes alone.
        let clip = ffmpeg.y4m(&format!("testsrc2=size=320x192:rate=30,scale={width}:{height}"), 6);
        assert!(clip.starts_with(format!("YUV4MPEG2 W{width} H{height} ").as_bytes()));
        let outcome = run_with(&mut direct264(&["encode", "-", "--bitrate", "3M", "-q"]), &clip);
        outcome.succeeded();
        assert_eq!(pictures(&outcome.stdout).len(), 6);
        let decoded = ffmpeg.decode(&outcome.stdout, "yuv420p");
        let original = ffmpeg.pixels(&clip, "yuv420p");
        let padded = (width + width % 2, height + height % 2);
        let decoded = luma(&decoded, padded, (width, height));
        let db = psnr(&decoded, &luma(&original, (width, height), (width, height)));
        assert!(db > 33.0, "{width}x{height}: {db:.1} dB");
    }
}
