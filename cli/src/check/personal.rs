//! Keeps paths and names of people and machines out of what the check tells, since people publish it.

use std::sync::LazyLock;
use std::{env, fs};

/// Returns `text` without what tells who ran the check and where: each absolute path is shortened to its file name, and
/// home folder, user and host of this process lose their names.
pub(super) fn impersonal(text: &str) -> String {
    static NAMES: LazyLock<Names> = LazyLock::new(Names::here);
    without_folders(&NAMES.hide(text))
}

/// The names of this process's home folder, user and host.
#[derive(Debug, Default)]
struct Names {
    homes: Vec<String>,
    users: Vec<String>,
    hosts: Vec<String>,
}

impl Names {
    fn here() -> Self {
        let of = |variables: &[&str]| variables.iter().filter_map(|name| env::var(name).ok()).collect();
        let mut hosts: Vec<String> = of(&["HOSTNAME", "COMPUTERNAME"]);
        hosts.extend(fs::read_to_string("/proc/sys/kernel/hostname"));
        Self { homes: of(&["HOME", "USERPROFILE"]), users: of(&["USER", "LOGNAME", "USERNAME"]), hosts }
    }

    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // A home folder of one character is the root of the file system.
        for home in self.homes.iter().filter(|home| home.len() > 1) {
            text = replaced(&text, home.trim_end_matches(['/', '\\']), "~");
        }
        for (names, stand_in) in [(&self.users, "USER"), (&self.hosts, "HOST")] {
            // The name of every container's user tells nothing.
            for name in names.iter().map(|name| name.trim()).filter(|name| *name != "root") {
                text = replaced(&text, name, stand_in);
            }
        }
        text
    }
}

/// Replaces a name where it is no part of a longer word.
fn replaced(text: &str, name: &str, stand_in: &str) -> String {
    if name.is_empty() {
        return text.to_owned();
    }
    let (mut result, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = &found[name.len()..];
        let is_apart = !before.ends_with(is_of_word) && !after.starts_with(is_of_word);
        result.push_str(before);
        result.push_str(if is_apart { stand_in } else { name });
        rest = after;
    }
    result + rest
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Shortens each absolute path to the part behind its last separator.
fn without_folders(text: &str) -> String {
    let (mut result, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let is_start = !result.ends_with(|c: char| is_of_word(c) || "/\\.~".contains(c));
        if let Some(folders) = folders(rest).filter(|_| is_start) {
            rest = &rest[folders..];
            // A path may end with its folder.
            if !rest.starts_with(is_of_path) {
                result.push('…');
            }
        } else {
            result.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    result
}

/// Returns the length of the folders of the absolute path that `text` starts with.
fn folders(text: &str) -> Option<usize> {
    let is_drive = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.get(1..3) == Some(":\\");
    if is_drive || text.starts_with("\\\\") {
        // A path of Windows may have spaces in it.
        let first = if is_drive { 3 } else { 2 };
        let end = text[first..].find(['"', '\'', '<', '>', '|', ':', '*', '?', '\n']);
        let path = &text[..end.map_or(text.len(), |end| first + end)];
        return path.rfind('\\').map(|last| last + 1);
    }
    let path =
        text.strip_prefix('/').or_else(|| text.strip_prefix("~/")).filter(|path| !path.starts_with('/'))?;
    let start = text.len() - path.len();
    let end = start + path.find(|c| !is_of_path(c) && c != '/').unwrap_or(path.len());
    let is_home = ["/home/", "/Users/"].iter().any(|homes| text.starts_with(homes));
    let path = &text[..end];
    match path.matches('/').count() {
        // The name of a home folder is that of its user.
        2 if is_home => Some(end),
        _ if path.len() > start => path.rfind('/').map(|last| last + 1),
        _ => None,
    }
}

fn is_of_path(c: char) -> bool {
    c.is_alphanumeric() || "._-+@~%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_folders_and_the_rest_stays() {
        for (text, left) in [
            ("/usr/lib/libcuda.so.1: no such file", "libcuda.so.1: no such file"),
            ("(\"/home/anna/x.so\")", "(\"x.so\")"),
            ("key=/home/anna/x, path:/srv/y", "key=x, path:y"),
            ("in /home/anna/ and /home/anna and /Users/anna.", "in … and … and …"),
            ("~/x/y.so", "y.so"),
            ("C:\\Users\\anna\\nvcuda.dll fails", "nvcuda.dll fails"),
            ("'C:\\Users\\Anna Smith\\x.dll', D:\\y\\z", "'x.dll', z"),
            ("at \\\\server\\share of anna\\x.dll", "at x.dll"),
            ("29.97/s and 30000/1001, 2/3 at 5 Mbit/s", "29.97/s and 30000/1001, 2/3 at 5 Mbit/s"),
            ("I420/NV12, and/or, ../x, a / b //", "I420/NV12, and/or, ../x, a / b //"),
            ("", ""),
        ] {
            assert_eq!(without_folders(text), left, "{text}");
        }
    }

    #[test]
    fn names_of_people_and_machines_are_replaced() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let names = Names {
            homes: of(&["/data/Anna Smith/"]),
            users: of(&["anna", "root", ""]),
            hosts: of(&["box1\n"]),
        };
        for (text, left) in [
            ("/data/Anna Smith/lib/x.so of anna on box1", "x.so of USER on HOST"),
            ("anna: banana, anna_2, box12, root", "USER: banana, anna_2, box12, root"),
        ] {
            assert_eq!(without_folders(&names.hide(text)), left);
        }
        assert_eq!(Names::default().hide("as it was"), "as it was");
    }
}
