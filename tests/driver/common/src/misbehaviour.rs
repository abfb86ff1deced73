//! Misbehaviours: what a driver does other than it is documented to, without an error. A fault is an error instead.

macro_rules! misbehaviours {
    ($($(#[$doc:meta])* $name:ident = $word:literal)*) => {
        /// A misbehaviour of the encoder, from the start of a session on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Misbehaviour { $($(#[$doc])* $name),* }

        impl Misbehaviour {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in the settings.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

misbehaviours! {
    /// A forced IDR is a P picture.
    NoIdr = "no_idr"
    /// Only the first IDR of a sequence has SPS and PPS.
    NoHeaders = "no_headers"
    /// Cb and Cr change places.
    SwappedChroma = "swapped_chroma"
    /// The SPS crops nothing.
    NoCrop = "no_crop"
    /// The VUI has another matrix than asked for: BT.601 for BT.709 and the other way about.
    OtherMatrix = "other_matrix"
    /// The SPS has level 5.1.
    OtherLevel = "other_level"
    /// Every stream is constrained baseline.
    OneProfile = "one_profile"
    /// Every picture has one slice.
    OneSlice = "one_slice"
    /// Every stream has one temporal layer.
    OneLayer = "one_layer"
    /// A change of rate changes nothing.
    KeepsRate = "keeps_rate"
    /// The range of quantisers is all of them.
    AnyQuantiser = "any_quantiser"
    /// An invalidated reference is predicted from all the same.
    KeepsReferences = "keeps_references"
    /// RGB becomes BT.601 limited, whatever colour the stream tells.
    RgbIsBt601 = "rgb_is_bt601"
    /// Every second session exchanges Cb and Cr.
    UnlikeSessions = "unlike_sessions"
    /// Two passes spend three times the bits of one.
    LargeTwoPass = "large_two_pass"
    /// An intra refresh is a run of ordinary pictures.
    NoWave = "no_wave"
    /// The process ends at a surface whose pitch is no multiple of 256.
    Crash = "crash"
}

/// Reads a whole setting: words with a comma between them.
///
/// # Errors
/// Names the word that is none.
pub fn parse(text: &str) -> Result<Vec<Misbehaviour>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let known = Misbehaviour::ALL.iter().find(|known| known.word() == word);
            known.copied().ok_or_else(|| format!("`{word}` is no misbehaviour"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Misbehaviour, parse};

    #[test]
    fn words_are_read_and_nonsense_is_named() {
        assert_eq!(parse("no_idr, crash").unwrap(), [Misbehaviour::NoIdr, Misbehaviour::Crash]);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("no_idr,oops").unwrap_err().contains("oops"));
    }
}
