//! Mark of a session that its encoder has left.

use std::any::Any;
use std::sync::Weak;

/// What is left of a session after its encoder was dropped: the session is gone once it cannot be upgraded.
pub(crate) type Remains = Weak<dyn Any + Send + Sync>;
