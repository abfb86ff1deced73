//! Parses the stream header of y4m: tags of one letter, each with its value.

use direct264::FrameSize;
use direct264::colour::ColourRange;
use direct264::units::SampleAspect;

use super::error::HeaderError;

/// The first word of a y4m stream.
pub(crate) const MAGIC: &[u8] = b"YUV4MPEG2";

/// The properties in a stream header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Width and height in pixels.
    pub size: FrameSize,
    /// Frames per second as a fraction, neither number 0; `None` when unknown. Encoders accept only some of these
    /// fractions.
    pub(crate) frame_rate: Option<(u32, u32)>,
    /// The sample aspect ratio; `None` when unknown.
    pub(crate) aspect: Option<SampleAspect>,
    /// The colour range; `None` without a tag.
    pub(crate) range: Option<ColourRange>,
}

/// The tags' values as text.
#[derive(Debug, Default)]
struct Tags<'a> {
    width: Option<&'a str>,
    height: Option<&'a str>,
    frame_rate: Option<&'a str>,
    interlacing: Option<&'a str>,
    aspect: Option<&'a str>,
    chroma: Option<&'a str>,
    /// `XYSCSS`, the older form of the tag `C`.
    old_chroma: Option<&'a str>,
    /// `XCOLORRANGE`.
    range: Option<&'a str>,
}

impl Header {
    /// Parses the header line without its line feed.
    ///
    /// # Errors
    /// [`HeaderError`] when a needed tag is missing, a tag comes twice, or a value is refused.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, HeaderError> {
        let text = String::from_utf8_lossy(line);
        let mut tokens = text.split(' ').filter(|token| !token.is_empty());
        if tokens.next().map(str::as_bytes) != Some(MAGIC) {
            return Err(HeaderError::Magic { is_empty: false });
        }
        let tags = Tags::collect(tokens)?;
        check_interlacing(tags.interlacing)?;
        match (tags.chroma, tags.old_chroma) {
            (Some(chroma), _) => check_chroma("C", chroma)?,
            (None, Some(chroma)) => check_chroma("XYSCSS=", chroma)?,
            // The oldest producers write neither tag and mean 420jpeg.
            (None, None) => {}
        }
        Ok(Self {
            size: size(tags.width, tags.height)?,
            frame_rate: tags.frame_rate.map_or(Ok(None), frame_rate)?,
            aspect: tags.aspect.map_or(Ok(None), aspect)?,
            range: match tags.range {
                Some("FULL") => Some(ColourRange::Full),
                Some("LIMITED") => Some(ColourRange::Limited),
                _ => None,
            },
        })
    }
}

impl<'a> Tags<'a> {
    fn collect(tokens: impl Iterator<Item = &'a str>) -> Result<Self, HeaderError> {
        let mut tags = Self::default();
        for token in tokens {
            let mut letters = token.chars();
            let tag = letters.next().unwrap_or(' ');
            let value = letters.as_str();
            let slot = match tag {
                'W' => &mut tags.width,
                'H' => &mut tags.height,
                'F' => &mut tags.frame_rate,
                'I' => &mut tags.interlacing,
                'A' => &mut tags.aspect,
                'C' => &mut tags.chroma,
                // Any program may define extensions, and each may come more than once.
                'X' => {
                    if let Some(chroma) = value.strip_prefix("YSCSS=") {
                        tags.old_chroma = Some(chroma);
                    } else if let Some(range) = value.strip_prefix("COLORRANGE=") {
                        tags.range = Some(range);
                    }
                    continue;
                }
                // The format allows unknown tags.
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(HeaderError::Twice { tag });
            }
        }
        Ok(tags)
    }
}

fn size(width: Option<&str>, height: Option<&str>) -> Result<FrameSize, HeaderError> {
    let width = width.ok_or(HeaderError::Missing { tag: "W, the width" })?;
    let height = height.ok_or(HeaderError::Missing { tag: "H, the height" })?;
    let side = |tag, value: &str| whole(value).ok_or_else(|| wrong(tag, value, "a whole number of pixels"));
    FrameSize::new(side("W", width)?, side("H", height)?).map_err(HeaderError::Size)
}

fn frame_rate(value: &str) -> Result<Option<(u32, u32)>, HeaderError> {
    let wants = "a fraction such as 30000:1001";
    match fraction(value).ok_or_else(|| wrong("F", value, wants))? {
        (0, 0) => Ok(None),
        (0, _) | (_, 0) => Err(wrong("F", value, wants)),
        rate => Ok(Some(rate)),
    }
}

fn aspect(value: &str) -> Result<Option<SampleAspect>, HeaderError> {
    let wants = "a fraction of numbers up to 65535 such as 4:3";
    let refused = || wrong("A", value, wants);
    let (width, height) = fraction(value).ok_or_else(refused)?;
    if (width, height) == (0, 0) {
        return Ok(None);
    }
    let divisor = greatest_common_divisor(width, height);
    let part = |side: u32| u16::try_from(side / divisor).map_err(|_| refused());
    SampleAspect::new(part(width)?, part(height)?).map(Some).map_err(|_| refused())
}

fn check_interlacing(value: Option<&str>) -> Result<(), HeaderError> {
    let how = match value {
        None | Some("p" | "?") => return Ok(()),
        Some("t") => "top field first",
        Some("b") => "bottom field first",
        Some("m") => "in a way that changes from frame to frame",
        Some(other) => return Err(wrong("I", other, "one of p, t, b, m and ?")),
    };
    Err(HeaderError::Interlaced { token: shortened("I", value.unwrap_or_default()), how })
}

/// Accepts the names of 8-bit 4:2:0, which differ in the place of the chroma samples alone. H.264 need not tell that
/// place.
fn check_chroma(tag: &'static str, value: &str) -> Result<(), HeaderError> {
    let lower = value.to_ascii_lowercase();
    if ["420", "420jpeg", "420mpeg2", "420paldv"].contains(&lower.as_str()) {
        return Ok(());
    }
    let shape = match lower.get(..3) {
        Some("420") => "4:2:0",
        Some("422") => "4:2:2",
        Some("444") => "4:4:4",
        Some("440") => "4:4:0",
        Some("411") => "4:1:1",
        Some("410") => "4:1:0",
        Some("mon") => "without colour",
        _ => "of an unknown kind",
    };
    let depth = lower.strip_prefix("mono").or_else(|| lower.split_once('p').map(|(_, depth)| depth));
    let mut are = format!("pixels {shape}");
    if let Some(bits) = depth.and_then(whole).filter(|bits| (9..=32).contains(bits)) {
        are = format!("{are} with {bits} bits a sample");
    }
    if lower.ends_with("alpha") {
        are.push_str(" with alpha");
    }
    Err(HeaderError::Pixels { token: shortened(tag, value), are })
}

/// Parses two whole numbers with a colon between them.
fn fraction(value: &str) -> Option<(u32, u32)> {
    let (upper, lower) = value.split_once(':')?;
    Some((whole(upper)?, whole(lower)?))
}

/// Parses a whole number in digits alone: `parse` accepts a `+` as well.
fn whole(digits: &str) -> Option<u32> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn wrong(tag: &'static str, value: &str, wants: &'static str) -> HeaderError {
    HeaderError::Value { token: shortened(tag, value), wants }
}

/// Returns the tag with its value, cut to fit a line on a terminal.
fn shortened(tag: &'static str, value: &str) -> String {
    const MOST_CHARS: usize = 40;
    let mut token: String = tag.chars().chain(value.chars().take(MOST_CHARS)).collect();
    if value.chars().count() > MOST_CHARS {
        token.push_str("...");
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(tags: &str) -> Result<Header, String> {
        Header::parse(format!("YUV4MPEG2 {tags}").as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_ffmpeg_writes_is_read_whole() {
        let header =
            parse("W1920 H1080 F30000:1001 Ip A4:3 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=FULL").unwrap();
        assert_eq!(header.size, FrameSize::new(1920, 1080).unwrap());
        assert_eq!(header.frame_rate, Some((30_000, 1_001)));
        assert_eq!(header.aspect, Some(SampleAspect::new(4, 3).unwrap()));
        assert_eq!(header.range, Some(ColourRange::Full));
    }

    #[test]
    fn every_name_of_the_same_pixels_is_taken_and_none_means_420jpeg() {
        for chroma in
            ["", "C420", "C420jpeg", "C420mpeg2", "C420paldv", "XYSCSS=420JPEG", "C420jpeg XYSCSS=444"]
        {
            assert!(parse(&format!("W4 H2 {chroma}")).is_ok(), "{chroma}");
        }
    }

    #[test]
    fn other_pixels_are_refused_in_words() {
        for (chroma, words) in [
            ("C422", "C422 in its y4m header: pixels 4:2:2, and only"),
            ("C444", "pixels 4:4:4, and only"),
            ("C444alpha", "pixels 4:4:4 with alpha"),
            ("C411", "pixels 4:1:1"),
            ("Cmono", "pixels without colour, and only"),
            ("Cmono10", "pixels without colour with 10 bits a sample"),
            ("C420p10", "pixels 4:2:0 with 10 bits a sample"),
            ("C422p12", "pixels 4:2:2 with 12 bits a sample"),
            ("C444p16", "pixels 4:4:4 with 16 bits a sample"),
            ("XYSCSS=444", "XYSCSS=444 in its y4m header: pixels 4:4:4"),
            ("Cxyz", "pixels of an unknown kind"),
            ("C", "pixels of an unknown kind"),
            ("C4\u{e9}0", "pixels of an unknown kind"),
        ] {
            let refused = parse(&format!("W4 H2 {chroma}")).unwrap_err();
            assert!(refused.contains(words), "{chroma}: {refused}");
        }
    }

    #[test]
    fn interlaced_video_is_refused_in_words() {
        assert!(parse("W4 H2 It").unwrap_err().contains("It in its y4m header: interlaced, top field first"));
        assert!(parse("W4 H2 Ib").unwrap_err().contains("bottom field first"));
        assert!(parse("W4 H2 Im").unwrap_err().contains("changes from frame to frame"));
        assert!(parse("W4 H2 I?").is_ok());
        assert!(parse("W4 H2 Ipp").is_err());
    }

    #[test]
    fn what_is_unknown_is_left_open() {
        let header = parse("W4 H2 F0:0 A0:0 XCOLORRANGE=UNKNOWN Znew").unwrap();
        assert_eq!((header.frame_rate, header.aspect, header.range), (None, None, None));
    }

    #[test]
    fn values_that_are_no_values_are_refused_with_the_value() {
        for (tags, words) in [
            ("H2", "without W, the width"),
            ("W4", "without H, the height"),
            ("W0 H2", "size 0x2 has a side outside 1 to 16384"),
            ("W4 H99999", "size 4x99999"),
            ("W4 H99999999999", "H99999999999"),
            ("W+4 H2", "W+4"),
            ("W-4 H2", "W-4"),
            ("W4 H2 W8", "two tags W"),
            ("W4 H2 F30", "F30 "),
            ("W4 H2 F30:0", "F30:0"),
            ("W4 H2 F0:1", "F0:1"),
            ("W4 H2 A1:0", "A1:0"),
            ("W4 H2 A65537:65536", "A65537:65536"),
        ] {
            let refused = parse(tags).unwrap_err();
            assert!(refused.contains(words), "{tags}: {refused}");
        }
        assert!(Header::parse(b"YUV4MPEG2W4 H2").is_err());
    }

    #[test]
    fn a_large_aspect_is_reduced() {
        assert_eq!(parse("W4 H2 A160000:90000").unwrap().aspect, Some(SampleAspect::new(16, 9).unwrap()));
    }

    #[test]
    fn a_long_value_is_shortened_in_the_message() {
        assert!(parse(&format!("W{} H2", "9".repeat(4000))).unwrap_err().len() < 150);
    }
}
