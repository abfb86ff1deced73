//! Faults, and the calls that they happen on:
//! `nvEncEncodePicture:3=20;cuMemcpy2DAsync:1=700;nvEncLockBitstream:5=hang`.
//!
//! | when | meaning | | what | meaning |
//! |---|---|---|---|---|
//! | `3` | the third call | | `20` | answer that number, do nothing |
//! | `3-5` | calls 3, 4 and 5 | | `hang` | never return (until the rule is taken back) |
//! | `3+` | from the third on | | `hang250` | wait 250 ms, then do the call |
//! | `*` | always | | `20!` | do the call, then answer that number all the same |
//! | | | | `20-` | answer that number, do nothing, also where something is given back |
//! | | | | `lost` | the GPU falls off the bus: 999 of CUDA, 20 of NVENC, and its context is dead |
//! | | | | `empty`, `garbage` | of `nvEncLockBitstream`: an access unit of no bytes, or of noise |
//! | | | | `silent` | of `nvEncEncodePicture`: the completion event is never signalled |
//!
//! A call is counted from the moment its rule is set, so that a rule set in a running process means "the next one".

use crate::Function;

/// The behaviour of a faulted call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Answers this number and does nothing else; what gives something back does so all the same.
    Answer(u32),
    /// Answers this number and does nothing else, also where something was to be given back.
    AnswerInstead(u32),
    /// Does its work, then answers this number all the same.
    AnswerAfter(u32),
    /// The GPU falls off the bus: the call answers an unknown error, and the current context is dead.
    Lost,
    /// Does not return while the rule stands.
    Hang,
    /// Waits this many milliseconds, then does the call.
    Delay(u64),
    /// A lock that succeeds and hands out no bytes.
    Empty,
    /// A lock that succeeds and hands out noise.
    Garbage,
    /// A picture whose completion event is never signalled.
    Silent,
}

/// One rule: the calls `first..=last` of `function` take `action`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The function it is about.
    pub function: Function,
    /// The first call it applies to, counted from one.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// The fault on those calls.
    pub action: Action,
}

/// Reads a whole setting. Rules are separated by `;`.
///
/// # Errors
/// Names the rule that makes no sense, and why.
pub fn parse(text: &str) -> Result<Vec<Rule>, String> {
    text.split(';').map(str::trim).filter(|rule| !rule.is_empty()).map(parse_rule).collect()
}

fn parse_rule(text: &str) -> Result<Rule, String> {
    let (place, action) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    let (name, when) = place.split_once(':').unwrap_or((place, "1"));
    let function =
        Function::from_name(name).ok_or_else(|| format!("`{name}` is no function of the double"))?;
    let (first, last) = parse_when(when.trim()).ok_or_else(|| format!("`{when}` is no call number"))?;
    let action = parse_action(action.trim()).ok_or_else(|| format!("`{action}` is no fault"))?;
    Ok(Rule { function, first, last, action })
}

fn parse_when(text: &str) -> Option<(u64, u64)> {
    if text == "*" {
        return Some((1, u64::MAX));
    }
    if let Some(first) = text.strip_suffix('+') {
        return Some((first.parse().ok()?, u64::MAX));
    }
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.parse().ok()?, last.parse().ok()?));
    }
    let call = text.parse().ok()?;
    Some((call, call))
}

fn parse_action(text: &str) -> Option<Action> {
    match text {
        "hang" => Some(Action::Hang),
        "lost" => Some(Action::Lost),
        "empty" => Some(Action::Empty),
        "garbage" => Some(Action::Garbage),
        "silent" => Some(Action::Silent),
        _ => match text.strip_prefix("hang") {
            Some(millis) => millis.parse().ok().map(Action::Delay),
            None => match (text.strip_suffix('!'), text.strip_suffix('-')) {
                (Some(number), _) => number.parse().ok().map(Action::AnswerAfter),
                (_, Some(number)) => number.parse().ok().map(Action::AnswerInstead),
                _ => text.parse().ok().map(Action::Answer),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Rule, parse};
    use crate::Function;

    #[test]
    fn the_documented_forms_are_read() {
        let rules =
            parse("nvEncEncodePicture:3=20; cuMemcpy2DAsync:2+=700;nvEncLockBitstream:5=hang").unwrap();
        assert_eq!(rules.len(), 3);
        assert_eq!(
            rules[1],
            Rule {
                function: Function::cuMemcpy2DAsync,
                first: 2,
                last: u64::MAX,
                action: Action::Answer(700)
            }
        );
        assert_eq!(parse("cuInit:*=hang250").unwrap()[0].action, Action::Delay(250));
        assert_eq!(parse("cuInit:2-4=1").unwrap()[0].last, 4);
        assert_eq!(parse("cuStreamQuery:1=lost").unwrap()[0].action, Action::Lost);
        assert_eq!(parse("nvEncEncodePicture:5=silent").unwrap()[0].action, Action::Silent);
        assert_eq!(parse("cuInit=1!").unwrap()[0].action, Action::AnswerAfter(1));
        assert_eq!(parse("cuMemFree=1-").unwrap()[0].action, Action::AnswerInstead(1));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn nonsense_is_named() {
        assert!(parse("cuNothing:1=2").unwrap_err().contains("cuNothing"));
        assert!(parse("cuInit:x=2").unwrap_err().contains("`x`"));
        assert!(parse("cuInit:1=oops").unwrap_err().contains("oops"));
    }
}
