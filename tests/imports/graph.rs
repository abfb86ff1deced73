//! The imports between the files of a crate, and the rules that they break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tree::{ModulePath, Modules};

/// A folder whose type has its `impl` blocks in files of their own, which import the type from the folder's own file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    pub(crate) folder: &'static str,
    pub(crate) why: &'static str,
}

/// What one file imports from another, with the module of each.
#[derive(Debug)]
struct Arrow {
    from: ModulePath,
    to: ModulePath,
    names: BTreeSet<String>,
}

/// The imports of a crate.
#[derive(Debug)]
pub(crate) struct Imports {
    files: BTreeMap<ModulePath, String>,
    arrows: Vec<Arrow>,
    /// Imports of what an own parent shows, and another file defines.
    pub(crate) roundabout: Vec<String>,
}

impl Imports {
    pub(crate) fn of(modules: &Modules) -> Self {
        // A module within a file counts as that file.
        let mut files: BTreeMap<ModulePath, String> = BTreeMap::new();
        let mut home: BTreeMap<&ModulePath, &ModulePath> = BTreeMap::new();
        for (path, module) in modules {
            let parent = path.split_last().and_then(|(_, parent)| modules.get_key_value(parent));
            let within = parent.filter(|(_, parent)| parent.file == module.file).map(|(path, _)| path);
            match within {
                Some(outer) => home.insert(path, home.get(outer).copied().unwrap_or(outer)),
                None => {
                    files.insert(path.clone(), module.file.clone());
                    home.insert(path, path)
                }
            };
        }
        let mut found: BTreeMap<(ModulePath, ModulePath), BTreeSet<String>> = BTreeMap::new();
        let mut roundabout = BTreeSet::new();
        for (path, module) in modules {
            let shown = module.reexports.iter().filter(|(name, _)| module.words.contains(*name));
            for named in module.named.iter().chain(shown.map(|(_, named)| named)) {
                let (to, name, through) = resolve(modules, named);
                for shower in
                    through.iter().filter(|shower| path.len() > shower.len() && path.starts_with(shower))
                {
                    let (from, shower) = (&module.file, &modules[shower].file);
                    roundabout
                        .insert(format!("{from} imports {name} through {shower}: {}", modules[&to].file));
                }
                let (from, to) = (home[path], home[&to]);
                if from != to {
                    found.entry((from.clone(), to.clone())).or_default().insert(name);
                }
            }
        }
        let arrows = found.into_iter().map(|((from, to), names)| Arrow { from, to, names }).collect();
        Self { files, arrows, roundabout: roundabout.into_iter().collect() }
    }

    /// Every circle, told file by file. Folders are looked at one by one: in each, what is next to each other.
    ///
    /// # Panics
    /// When a folder of `split` has no such files any more.
    pub(crate) fn circles(&self, split: &[Split]) -> Vec<String> {
        for Split { folder, why } in split {
            let is_used = self
                .arrows
                .iter()
                .any(|arrow| arrow.to.join("::") == *folder && arrow.from.starts_with(&arrow.to));
            assert!(is_used, "{folder} needs no exception any more: {why}");
        }
        let folders: BTreeSet<ModulePath> =
            self.files.keys().filter_map(|path| Some(path.split_last()?.1.to_vec())).collect();
        folders.iter().flat_map(|folder| self.circles_in(folder, split)).collect()
    }

    fn circles_in(&self, folder: &ModulePath, split: &[Split]) -> Vec<String> {
        let is_split = split.iter().any(|split| split.folder == folder.join("::"));
        let mut next: Neighbours<'_> = BTreeMap::new();
        for arrow in &self.arrows {
            let (Some(from), Some(to)) = (node(folder, &arrow.from), node(folder, &arrow.to)) else {
                continue;
            };
            if from != to && !(is_split && to == OWN_FILE) {
                next.entry(from).or_default().entry(to).or_default().push(arrow);
            }
        }
        let place = if folder.is_empty() { "the crate".to_owned() } else { folder.join("::") };
        let mut circles = Vec::new();
        while let Some(way) = next.keys().find_map(|start| way_back(start, &next)) {
            let told = way.windows(2).flat_map(|step| &next[step[0]][step[1]]);
            let told: String = told.map(|arrow| format!("\n  {}", self.tell(arrow))).collect();
            circles.push(format!("a circle in {place}:{told}"));
            // Broken here, so that the others are found too.
            if let Some(of_first) = next.get_mut(way[0]) {
                of_first.remove(way[1]);
            }
        }
        circles
    }

    /// What is wrong with the floors that the modules at the root of the crate stand on: an import may only point to a
    /// lower one.
    pub(crate) fn wrong_floors(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |module: &str| floors.iter().position(|on_it| on_it.contains(&module));
        let mut wrong = Vec::new();
        for module in self.files.keys().filter(|path| path.len() == 1) {
            if floor(&module[0]).is_none() {
                wrong.push(format!("{} stands on no floor", self.files[module]));
            }
        }
        for name in floors.iter().copied().flatten() {
            if !self.files.contains_key(&vec![(*name).to_owned()]) {
                wrong.push(format!("there is no module {name}"));
            }
        }
        for arrow in &self.arrows {
            let (Some(from), Some(to)) = (arrow.from.first(), arrow.to.first()) else { continue };
            if let (true, Some(above), Some(below)) = (from != to, floor(from), floor(to))
                && above <= below
            {
                wrong.push(format!("{}, which is not below it ({above} and {below})", self.tell(arrow)));
            }
        }
        wrong
    }

    fn tell(&self, arrow: &Arrow) -> String {
        let names: Vec<&str> = arrow.names.iter().map(String::as_str).collect();
        let (from, to) = (&self.files[&arrow.from], &self.files[&arrow.to]);
        format!("{from} imports {} from {to}", names.join(", "))
    }
}

/// The file of a folder's own module, beside those of its children.
const OWN_FILE: &str = "";

/// What stands for a module among the children of `folder`, if it is within.
fn node<'a>(folder: &ModulePath, module: &'a ModulePath) -> Option<&'a str> {
    let below = module.strip_prefix(&folder[..])?;
    Some(below.first().map_or(OWN_FILE, String::as_str))
}

/// By child of a folder, the children that it imports from.
type Neighbours<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Arrow>>>;

/// The shortest way from a child over others back to itself, if there is one.
fn way_back<'a>(start: &'a str, next: &Neighbours<'a>) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for to in next.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            let longer = [&way[..], &[*to]].concat();
            if *to == start {
                return Some(longer);
            }
            if seen.insert(*to) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// The module that defines what a path names, what is named, and the modules that only show it.
fn resolve(modules: &Modules, path: &ModulePath) -> (ModulePath, String, Vec<ModulePath>) {
    let mut path = path.clone();
    let mut through = Vec::new();
    loop {
        let depth = (0..=path.len()).rev().find(|&depth| modules.contains_key(&path[..depth])).unwrap_or(0);
        let (place, rest) = path.split_at(depth);
        let Some(name) = rest.first() else {
            let name = place.last().cloned().unwrap_or_default();
            return (place.to_vec(), name, through);
        };
        let module = &modules[place];
        let shown = module.reexports.get(name).or_else(|| module.imports.get(name));
        let shown = shown.filter(|shown| shown[..] != path[..]);
        let Some(shown) = shown.filter(|_| through.len() < modules.len()) else {
            return (place.to_vec(), name.clone(), through);
        };
        through.push(place.to_vec());
        path = [&shown[..], &rest[1..]].concat();
    }
}
