//! Reads the modules of a crate from its source text: each module's definitions, re-exports and names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, ItemUse, Lit, Meta, UseTree, Visibility};

/// The place of a module below the root of its crate.
pub(crate) type ModulePath = Vec<String>;

/// A module, in a file of its own or within one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// Child modules.
    children: BTreeSet<String>,
    /// By the name that other modules see: the path that the name stands for.
    pub(crate) reexports: BTreeMap<String, ModulePath>,
    /// The same of names that the module imports for itself, and that its children can see.
    pub(crate) imports: BTreeMap<String, ModulePath>,
    /// Paths that the code of the module names, from the root of the crate on.
    pub(crate) named: BTreeSet<ModulePath>,
    /// First words of all paths in the code.
    pub(crate) words: BTreeSet<String>,
}

/// The modules of a crate outside its tests.
pub(crate) type Modules = BTreeMap<ModulePath, Module>;

/// Reads the crate whose root is the file `root`. `text_of` gives the text of a file, where there is one.
pub(crate) fn read(root: &str, text_of: &dyn Fn(&str) -> Option<String>) -> Modules {
    let mut reader = Reader { text_of, modules: Modules::new() };
    reader.file(root.to_owned(), Vec::new());
    reader.modules
}

struct Reader<'a> {
    text_of: &'a dyn Fn(&str) -> Option<String>,
    modules: Modules,
}

impl Reader<'_> {
    fn file(&mut self, file: String, path: ModulePath) {
        let text = (self.text_of)(&file).unwrap_or_else(|| panic!("{file} is not there"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.items(&parsed.items, file, path);
    }

    fn items(&mut self, items: &[Item], file: String, path: ModulePath) {
        let mut module = Module { file, ..Module::default() };
        let items: Vec<&Item> = items.iter().filter(|item| !is_test(attributes(item))).collect();
        for item in &items {
            if let Item::Mod(child) = item {
                module.children.insert(child.ident.to_string());
            }
        }
        for item in items {
            if let Item::Use(item) = item {
                let is_reexport = !matches!(item.vis, Visibility::Inherited);
                let mut collector = Collector { module: &mut module, path: &path };
                collector.use_tree(&item.tree, &mut Vec::new(), Some(is_reexport));
            } else if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let below = [&path[..], std::slice::from_ref(&name)].concat();
                match &child.content {
                    Some((_, items)) => self.items(items, module.file.clone(), below),
                    None => self.file(self.file_of(&module.file, &name, &child.attrs), below),
                }
            } else {
                Collector { module: &mut module, path: &path }.visit_item(item);
            }
        }
        self.modules.insert(path, module);
    }

    /// The file of a module that another file declares.
    fn file_of(&self, parent: &str, name: &str, attributes: &[Attribute]) -> String {
        let (folder, file) = parent.rsplit_once('/').unwrap_or((".", parent));
        if let Some(told) = attributes.iter().find_map(told_path) {
            return format!("{folder}/{told}");
        }
        let is_root = ["mod.rs", "lib.rs", "main.rs"].contains(&file);
        let folder = if is_root { folder } else { parent.trim_end_matches(".rs") };
        let flat = format!("{folder}/{name}.rs");
        if (self.text_of)(&flat).is_some() { flat } else { format!("{folder}/{name}/mod.rs") }
    }
}

/// The path in `#[path = ".."]`.
fn told_path(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(told) = &attribute.meta else { return None };
    match &told.value {
        Expr::Lit(value) if told.path.is_ident("path") => match &value.lit {
            Lit::Str(path) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an item is there for tests alone: `cfg(test)`, or `cfg(all(.., test, ..))`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => wants_test(list.tokens.clone()),
        _ => false,
    })
}

fn wants_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(of)] if word == "all" => {
            let parts: Vec<TokenTree> = of.stream().into_iter().collect();
            parts
                .split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
                .any(|part| wants_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Collects what the items of one module name.
struct Collector<'a> {
    module: &'a mut Module,
    path: &'a ModulePath,
}

impl Collector<'_> {
    /// The same path from the root of the crate on; `None` where it leads out of the crate, or is a local name.
    fn absolute(&self, words: &[String]) -> Option<ModulePath> {
        let first = words.first()?;
        let mut place = match first.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.path.clone(),
            child if self.module.children.contains(child) => [&self.path[..], &words[..1]].concat(),
            _ => return None,
        };
        let mut rest = &words[usize::from(first != "super")..];
        while rest.first().is_some_and(|word| word == "super") {
            place.pop();
            rest = &rest[1..];
        }
        place.extend_from_slice(rest);
        Some(place)
    }

    fn name(&mut self, words: &[String]) {
        if words.len() > 1
            && let Some(path) = self.absolute(words)
        {
            self.module.named.insert(path);
        }
    }

    /// `is_reexport` is `None` for what only a function imports.
    fn use_tree(&mut self, tree: &UseTree, before: &mut Vec<String>, is_reexport: Option<bool>) {
        let (name, local) = match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.use_tree(&path.tree, before, is_reexport);
                before.pop();
                return;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, before, is_reexport);
                }
                return;
            }
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
            UseTree::Glob(_) => ("*".to_owned(), "*".to_owned()),
        };
        // `use x::{self, ..}` names the module `x` itself.
        let (words, local) = match (name.as_str(), before.last()) {
            ("self", Some(module)) => (before.clone(), module.clone()),
            _ => ([&before[..], &[name]].concat(), local),
        };
        let Some(path) = self.absolute(&words) else { return };
        let is_of_child = path.strip_prefix(&self.path[..]).and_then(|below| below.first());
        let is_of_child = is_of_child.is_some_and(|child| self.module.children.contains(child));
        match is_reexport {
            Some(true) => drop(self.module.reexports.insert(local, path.clone())),
            Some(false) => drop(self.module.imports.insert(local, path.clone())),
            None => {}
        }
        // To show what a child has is what a parent is for.
        if is_reexport != Some(true) || !is_of_child {
            self.module.named.insert(path);
        }
    }

    /// The paths in the tokens of a macro, which are no syntax tree.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut words: Vec<String> = Vec::new();
        let (mut colons, mut is_variable) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.path_in_macro(&mut words);
                    }
                    // `$crate` is where the macro is used.
                    words.push(if is_variable { String::new() } else { word.to_string() });
                    (colons, is_variable) = (0, false);
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.path_in_macro(&mut words);
                    colons = 0;
                    is_variable = matches!(&other, TokenTree::Punct(mark) if mark.as_char() == '$');
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path_in_macro(&mut words);
    }

    fn path_in_macro(&mut self, words: &mut Vec<String>) {
        self.name(words);
        self.module.words.extend(words.first().cloned());
        words.clear();
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    /// One within a function.
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.use_tree(&item.tree, &mut Vec::new(), None);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.name(&words);
        self.module.words.extend(words.into_iter().next());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, of: &'ast syn::Macro) {
        self.visit_path(&of.path);
        self.tokens(of.tokens.clone());
    }

    /// `pub(in crate::x)` says who may see, and uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
