//! Kinds of pictures that rate control tells apart.

use super::scene::Layer;

/// What the next picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::openh264) enum PictureKind {
    Idr,
    P,
    /// A P picture that no other is predicted from.
    Leaf,
}

impl PictureKind {
    pub(super) const fn layer(self) -> Layer {
        match self {
            Self::Idr | Self::P => Layer::Base,
            Self::Leaf => Layer::Leaf,
        }
    }
}
