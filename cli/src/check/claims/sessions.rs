//! The session limit of the driver.

use direct264::{Error, FailoverEncoder, Reason, open};

use super::frames::usual;
use crate::check::outcome::{Proof, Unproven, expect, refused};
use crate::check::subject::Subject;

/// Sessions at once beyond which a GPU counts as one without a limit.
const MOST: usize = 16;

pub(in crate::check) fn sessions(subject: &Subject) -> Proof {
    let first = fill(subject)?;
    let count = first.len();
    expect(count > 0, "one session at least", "none", "direct264::open")?;
    drop(first);
    let again = fill(subject)?.len();
    let expected = format!("{count} sessions again after all encoders ended");
    expect(again >= count, expected, again, "direct264::open")?;
    Ok(if count == MOST {
        format!("no limit up to {MOST} sessions")
    } else {
        format!("{count} sessions at once")
    })
}

/// Opens encoders until the driver has no session left.
fn fill(subject: &Subject) -> Result<Vec<FailoverEncoder>, Unproven> {
    let mut encoders = Vec::new();
    while encoders.len() < MOST {
        match open(&subject.config(usual()?)?, &subject.order()) {
            Ok(opened) => encoders.push(opened.encoder),
            Err(Error::Unavailable(why)) if why.reason == Reason::SessionLimit => break,
            Err(error) => return Err(refused("a session, or the session limit", &error, "direct264::open")),
        }
    }
    Ok(encoders)
}
