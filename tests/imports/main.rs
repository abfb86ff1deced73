//! Imports point one way: no circle between files, and in the library from each floor to the ones below it.

#![expect(clippy::panic, reason = "a file that cannot be read fails the test")]

mod graph;
mod tree;

use std::path::Path;

use graph::{Imports, Split};
use tree::{Modules, read};

/// The modules at the root of the library, from the bottom up. A module may import from the floors below its own.
const FLOORS: &[&[&str]] = &[
    &[
        "annexb", "backend", "bounded", "colour", "picture", "profile", "reason", "recovery", "remains",
        "units",
    ],
    &["format", "level"],
    &["error"],
    &["config"],
    &["frame"],
    &["access_unit", "event"],
    &["convert", "ready", "references", "window"],
    &["engine"],
    &["encoder"],
    &["cuda", "pipeline", "replaceable"],
    &["nvenc", "openh264"],
    &["backends"],
    &["failover"],
    &["rtc", "worker"],
];

/// Folders of the library whose files share the methods of one type.
const SPLIT: &[Split] = &[
    Split {
        folder: "config",
        why: "the settings that change in flight have their setters and getters beside them",
    },
    Split {
        folder: "nvenc::encoder",
        why: "an encoder changes, lends and stages, each in a file of its own",
    },
    Split {
        folder: "nvenc::session",
        why: "a session makes the driver calls of a picture, of a flight and of a recovery",
    },
];

fn crate_at(root: &str) -> Modules {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    read(root, &|file| std::fs::read_to_string(folder.join(file)).ok())
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_library_imports_without_a_circle_and_from_where_things_are_defined() {
    let imports = Imports::of(&crate_at("src/lib.rs"));
    assert_none(&[imports.circles(SPLIT), imports.roundabout].concat());
}

#[test]
fn every_module_of_the_library_imports_from_lower_floors() {
    assert_none(&Imports::of(&crate_at("src/lib.rs")).wrong_floors(FLOORS));
}

#[test]
fn the_crate_of_the_drivers_imports_without_a_circle() {
    let imports = Imports::of(&crate_at("sys/src/lib.rs"));
    assert_none(&[imports.circles(&[]), imports.roundabout].concat());
}

#[test]
fn the_command_imports_without_a_circle() {
    let imports = Imports::of(&crate_at("cli/src/main.rs"));
    assert_none(&[imports.circles(&[]), imports.roundabout].concat());
}

mod checker {
    use super::*;

    /// The imports of a crate that consists of these texts.
    fn imports(files: &[(&str, &str)]) -> Imports {
        Imports::of(&read("src/lib.rs", &|file| {
            let file = file.strip_prefix("src/")?;
            files.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned())
        }))
    }

    #[test]
    fn a_circle_of_two_files_is_told_with_both_and_the_names() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B; pub fn of() -> crate::a::A { crate::a::A(B) }"),
        ];
        let told =
            "a circle in the crate:\n  src/a.rs imports B from src/b.rs\n  src/b.rs imports A from src/a.rs";
        assert_eq!(imports(&files).circles(&[]), [told]);
        let one_way = [files[0], files[1], ("b.rs", "pub struct B;")];
        assert!(imports(&one_way).circles(&[]).is_empty());
    }

    #[test]
    fn two_circles_are_both_told() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::{b::B, c::C}; pub struct A(B, C);"),
            ("b.rs", "use crate::a::A; pub struct B;"),
            ("c.rs", "use crate::a::A; pub struct C;"),
        ];
        assert_eq!(imports(&files).circles(&[]).len(), 2);
    }

    #[test]
    fn paths_in_bodies_and_macros_count_and_those_of_tests_and_visibilities_do_not() {
        let with = |b: &str| {
            let files =
                [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B; pub struct A(B);"), ("b.rs", b)];
            imports(&files).circles(&[]).len()
        };
        assert_eq!(with("pub fn b() { let _ = super::a::A::new(); }"), 1);
        assert_eq!(with("pub fn b() { println!(\"{}\", crate::a::A); }"), 1);
        assert_eq!(with("pub fn b() { use crate::a::A; }"), 1);
        assert_eq!(with("macro_rules! b { () => { $crate::a::A } }"), 0);
        assert_eq!(with("#[cfg(test)] mod tests { use crate::a::A; }"), 0);
        assert_eq!(with("#[cfg(all(test, feature = \"x\"))] use crate::a::A;"), 0);
        assert_eq!(with("#[cfg(feature = \"x\")] use crate::a::A;"), 1);
        assert_eq!(with("pub(in crate::b) fn b() {}"), 0);
    }

    #[test]
    fn a_folder_is_one_place_from_outside_and_looked_into_by_itself() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod inner; mod other; use inner::Inner; pub struct A(Inner);"),
            ("a/inner.rs", "use super::A; pub struct Inner;"),
            ("a/other.rs", "pub struct Other(crate::b::B);"),
            ("b.rs", "pub struct B; fn b() -> crate::a::A {}"),
        ];
        let told = imports(&files).circles(&[]);
        assert_eq!(told.len(), 2, "{told:?}");
        let split = Split { folder: "a", why: "" };
        assert_eq!(imports(&files).circles(&[split]).len(), 1);
    }

    #[test]
    fn what_a_parent_only_shows_is_imported_from_where_it_is() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "pub struct A;"),
            ("b.rs", "use crate::A; pub struct B(A);"),
        ];
        assert_eq!(imports(&files).roundabout, ["src/b.rs imports A through src/lib.rs: src/a.rs"]);
        assert!(imports(&files).circles(&[]).is_empty());
        let direct = [files[0], files[1], ("b.rs", "use crate::a::A; pub struct B(A);")];
        assert!(imports(&direct).roundabout.is_empty());
    }

    #[test]
    fn an_import_points_to_a_lower_floor() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B;"),
            ("c.rs", ""),
        ];
        assert!(imports(&files).wrong_floors(&[&["b", "c"], &["a"]]).is_empty());
        for floors in [&[&["a", "b", "c"][..]][..], &[&["a"], &["b", "c"]]] {
            let told = imports(&files).wrong_floors(floors);
            assert!(told.len() == 1 && told[0].starts_with("src/a.rs imports B from src/b.rs"), "{told:?}");
        }
        let told = imports(&files).wrong_floors(&[&["b"], &["a", "d"]]);
        assert_eq!(told, ["src/c.rs stands on no floor", "there is no module d"]);
    }
}
