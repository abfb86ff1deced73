//! Kinds of pictures that rate control tells apart.

use super::scene::Layer;

/// The kind of the next picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::openh264) enum PictureKind {
    Idr,
    P,
    /// A P picture from which no other is predicted.
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
