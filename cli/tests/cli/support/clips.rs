//! Small clips made here, for tests that need no FFmpeg.

/// A y4m header for this size, with further tags.
pub(crate) fn y4m_header(width: usize, height: usize, tags: &str) -> Vec<u8> {
    format!("YUV4MPEG2 W{width} H{height} F30:1 Ip {tags}\n").into_bytes()
}

/// A y4m frame of a picture that moves with `number`: a pattern too fine to be free, smooth enough to be cheap.
pub(crate) fn y4m_frame(width: usize, height: usize, number: usize) -> Vec<u8> {
    let mut frame = b"FRAME\n".to_vec();
    for row in 0..height {
        for column in 0..width {
            let wave = (column + 2 * number) * 7 % 160 + (row * 5 + number) % 64;
            frame.push(16 + u8::try_from(wave).expect("below 224"));
        }
    }
    let chroma = width.div_ceil(2) * height.div_ceil(2);
    frame.extend((0..chroma).map(|at| 100 + u8::try_from((at + number) % 50).expect("below 50")));
    frame.extend((0..chroma).map(|at| 150 - u8::try_from((at + number) % 40).expect("below 40")));
    frame
}

/// A y4m clip of that picture.
pub(crate) fn moving_y4m(width: usize, height: usize, frames: usize) -> Vec<u8> {
    let mut clip = y4m_header(width, height, "C420jpeg");
    (0..frames).for_each(|number| clip.extend(y4m_frame(width, height, number)));
    clip
}
