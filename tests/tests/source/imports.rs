//! The imports between the files of a crate, read from its source text.
//!
//! A name that is re-exported counts as an import of the file that defines it, so that only real
//! dependencies count. Tests (`#[cfg(test)]`) are left out, and so are `mod x;` declarations. Paths
//! in the middle of the code count as `use` lines do.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// An import: the importing file, the line, the path as written, and the file that is imported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) line: usize,
    pub(crate) to: String,
    pub(crate) path: String,
}

/// All imports of a crate, sorted. `read` gives the text of a file by its path from the folder of
/// `lib.rs`, if there is such a file.
pub(crate) fn imports(read: &dyn Fn(&str) -> Option<String>) -> Vec<Import> {
    let mut krate = Crate::default();
    let root = Module::new("lib.rs", None, "");
    krate.modules.push(root);
    let text = read("lib.rs").expect("the crate has a lib.rs");
    krate.read_module(0, &tokens(text.parse().unwrap()), read);
    krate.imports()
}

/// A module, in a file of its own or inside of one.
#[derive(Debug)]
struct Module {
    file: String,
    /// Where the files of child modules are: empty, or a path that ends with a slash.
    folder: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// The names that it defines.
    items: BTreeSet<String>,
    /// The names that it imports or re-exports, and the path of each; `*` for a glob.
    bindings: Vec<(String, Vec<String>)>,
    references: Vec<Reference>,
}

#[derive(Debug)]
struct Reference {
    path: Vec<String>,
    line: usize,
}

impl Module {
    fn new(file: &str, parent: Option<usize>, folder: &str) -> Self {
        Self {
            file: file.to_owned(),
            folder: folder.to_owned(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            bindings: Vec::new(),
            references: Vec::new(),
        }
    }
}

/// Where a path leads.
enum Target {
    /// To a module, or to an item that it defines.
    Module(usize),
    /// To another crate.
    External,
    /// To a name that was not found; the module is the last one on the way.
    Unknown(usize),
}

#[derive(Debug, Default)]
struct Crate {
    /// The first is the root.
    modules: Vec<Module>,
    /// The macros with `#[macro_export]`, which are names of the root.
    exported_macros: BTreeMap<String, usize>,
}

const ITEM_KEYWORDS: [&str; 8] = [
    "struct", "enum", "union", "trait", "type", "fn", "static", "const",
];

impl Crate {
    /// Reads the items of a module.
    fn read_module(
        &mut self,
        module: usize,
        tokens: &[TokenTree],
        read: &dyn Fn(&str) -> Option<String>,
    ) {
        let mut at = 0;
        let mut exported = false;
        while at < tokens.len() {
            if let Some(attribute) = attribute(tokens, at) {
                exported |= has_ident(attribute, "macro_export");
                at += 2;
                if is_test(attribute) {
                    at = end_of_item(tokens, at);
                }
                continue;
            }
            match ident(tokens, at).as_deref() {
                Some("use") => {
                    let end = position(tokens, at, |token| is_punct(token, ';'));
                    for (name, path) in use_tree(&tokens[at + 1..end]) {
                        let line = line(&tokens[at]);
                        self.modules[module].references.push(Reference {
                            path: path.clone(),
                            line,
                        });
                        self.modules[module].bindings.push((name, path));
                    }
                    at = end + 1;
                }
                Some("mod") => {
                    let name = ident(tokens, at + 1).unwrap_or_default();
                    self.read_child(module, &name, tokens.get(at + 2), read);
                    at += 3;
                }
                Some("macro_rules") if ident(tokens, at + 2).is_some() => {
                    let name = ident(tokens, at + 2).unwrap();
                    if exported {
                        self.exported_macros.insert(name.clone(), module);
                    }
                    self.modules[module].items.insert(name);
                    // The group of its rules is read as code.
                    at += 3;
                }
                Some(keyword) if ITEM_KEYWORDS.contains(&keyword) => {
                    if let Some(name) = ident(tokens, at + 1)
                        && !ITEM_KEYWORDS.contains(&name.as_str())
                    {
                        self.modules[module].items.insert(name);
                    }
                    at += 1;
                }
                _ => {
                    if let Some(TokenTree::Group(group)) = tokens.get(at)
                        && at >= 2
                        && is_punct(&tokens[at - 1], '!')
                        && ident(tokens, at - 2).is_some()
                    {
                        // A macro such as `pin_project!` defines items of the module.
                        self.define_items_of_macro(module, group);
                    }
                    at = self.read_code(module, tokens, at);
                    exported = false;
                }
            }
        }
    }

    fn read_child(
        &mut self,
        module: usize,
        name: &str,
        body: Option<&TokenTree>,
        read: &dyn Fn(&str) -> Option<String>,
    ) {
        let folder = format!("{}{name}/", self.modules[module].folder);
        let child = self.modules.len();
        let (file, inner) = match body {
            Some(TokenTree::Group(group)) => (self.modules[module].file.clone(), group.stream()),
            _ => {
                let flat = format!("{}{name}.rs", self.modules[module].folder);
                let nested = format!("{folder}mod.rs");
                let (file, text) = match read(&flat) {
                    Some(text) => (flat, text),
                    None => match read(&nested) {
                        Some(text) => (nested, text),
                        None => panic!("neither {flat} nor {nested} exists"),
                    },
                };
                (file, text.parse().unwrap())
            }
        };
        self.modules.push(Module::new(&file, Some(module), &folder));
        self.modules[module].children.insert(name.to_owned(), child);
        self.read_module(child, &tokens(inner), read);
    }

    fn define_items_of_macro(&mut self, module: usize, group: &Group) {
        let tokens = tokens(group.stream());
        for at in 0..tokens.len() {
            if let Some(keyword) = ident(&tokens, at)
                && ITEM_KEYWORDS.contains(&keyword.as_str())
                && let Some(name) = ident(&tokens, at + 1)
            {
                self.modules[module].items.insert(name);
            }
        }
    }

    /// Reads the token or the path at `at`, and gives where the next one begins.
    fn read_code(&mut self, module: usize, tokens: &[TokenTree], at: usize) -> usize {
        match &tokens[at] {
            TokenTree::Group(group) => {
                // The place in `pub(in crate::a)` is no import.
                if at == 0 || ident(tokens, at - 1).as_deref() != Some("pub") {
                    self.read_body(module, group);
                }
                at + 1
            }
            TokenTree::Ident(_) => {
                let (path, end) = path_at(tokens, at);
                let inside = at > 0 && (is_punct(&tokens[at - 1], '.') || is_path_end(tokens, at));
                if path.len() > 1 && !inside {
                    let line = line(&tokens[at]);
                    self.modules[module]
                        .references
                        .push(Reference { path, line });
                }
                end
            }
            _ => at + 1,
        }
    }

    /// Reads the inside of a function, a type or a macro.
    fn read_body(&mut self, module: usize, group: &Group) {
        let tokens = tokens(group.stream());
        let mut at = 0;
        while at < tokens.len() {
            if let Some(attribute) = attribute(&tokens, at) {
                at += 2;
                if is_test(attribute) {
                    at = end_of_item(&tokens, at);
                }
            } else if ident(&tokens, at).as_deref() == Some("use") {
                let end = position(&tokens, at, |token| is_punct(token, ';'));
                for (_, path) in use_tree(&tokens[at + 1..end]) {
                    let line = line(&tokens[at]);
                    self.modules[module]
                        .references
                        .push(Reference { path, line });
                }
                at = end + 1;
            } else {
                at = self.read_code(module, &tokens, at);
            }
        }
    }

    fn imports(&self) -> Vec<Import> {
        let mut imports = BTreeSet::new();
        for (index, module) in self.modules.iter().enumerate() {
            for reference in &module.references {
                let target = match self.resolve(index, &reference.path, &mut BTreeSet::new()) {
                    Target::Module(target) | Target::Unknown(target) => target,
                    Target::External => continue,
                };
                let to = &self.modules[target].file;
                if *to != module.file {
                    imports.insert(Import {
                        from: module.file.clone(),
                        to: to.clone(),
                        line: reference.line,
                        path: reference.path.join("::"),
                    });
                }
            }
        }
        imports.into_iter().collect()
    }

    fn resolve(
        &self,
        from: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Target {
        let mut module = from;
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => (module, rest) = (0, &path[1..]),
            Some("self") => rest = &path[1..],
            Some("super") => {}
            // A path of another crate, unless it begins with a child module.
            Some(first) if self.modules[from].children.contains_key(first) => {}
            _ => return Target::External,
        }
        while rest.first().is_some_and(|name| name == "super") {
            module = self.modules[module].parent.unwrap_or_default();
            rest = &rest[1..];
        }
        self.look_up(module, rest, seen)
    }

    fn look_up(
        &self,
        module: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Target {
        let here = &self.modules[module];
        let Some(name) = path.first() else {
            return Target::Module(module);
        };
        if let Some(&child) = here.children.get(name) {
            return self.look_up(child, &path[1..], seen);
        }
        if name == "*" || here.items.contains(name) {
            return Target::Module(module);
        }
        if !seen.insert((module, name.clone())) {
            return Target::Unknown(module);
        }
        for (bound, path_of_binding) in &here.bindings {
            if bound == name {
                let mut target = path_of_binding.clone();
                target.extend_from_slice(&path[1..]);
                return self.resolve(module, &target, seen);
            }
        }
        for (_, glob) in here.bindings.iter().filter(|(bound, _)| bound == "*") {
            let mut target = glob[..glob.len() - 1].to_vec();
            target.extend_from_slice(path);
            if let Target::Module(found) = self.resolve(module, &target, seen) {
                return Target::Module(found);
            }
        }
        match self.exported_macros.get(name) {
            Some(&defining) if module == 0 => Target::Module(defining),
            _ => Target::Unknown(module),
        }
    }
}

fn tokens(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

fn ident(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at| tokens.get(at).is_some_and(|token| is_punct(token, ':'));
    is_colon(at) && is_colon(at + 1)
}

/// Whether `::` is before `at`.
fn is_path_end(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_separator(tokens, at - 2)
}

fn position(tokens: &[TokenTree], from: usize, is: impl Fn(&TokenTree) -> bool) -> usize {
    let found = tokens[from..].iter().position(is);
    found.map_or(tokens.len(), |at| from + at)
}

/// The names of a path, and where it ends.
fn path_at(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(name) = ident(tokens, at) {
        path.push(name);
        at += 1;
        if !is_separator(tokens, at) || ident(tokens, at + 2).is_none() {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// The group of an attribute that begins at `at`.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<&Group> {
    match (tokens.get(at)?, tokens.get(at + 1)?) {
        (hash, TokenTree::Group(group))
            if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group)
        }
        _ => None,
    }
}

fn has_ident(group: &Group, name: &str) -> bool {
    tokens(group.stream()).iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => has_ident(group, name),
        _ => false,
    })
}

fn is_test(attribute: &Group) -> bool {
    has_ident(attribute, "cfg") && has_ident(attribute, "test") && !has_ident(attribute, "not")
}

/// The end of the item at `at`: its semicolon or its braces. Gives `at` for what is no item.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    let mut keyword = at;
    loop {
        if attribute(tokens, keyword).is_some() {
            keyword += 2;
            at = keyword;
            continue;
        }
        match ident(tokens, keyword).as_deref() {
            Some("pub") => {
                let next = tokens.get(keyword + 1);
                let has_place = matches!(next, Some(TokenTree::Group(_)));
                keyword += if has_place { 2 } else { 1 };
            }
            Some("async" | "unsafe" | "extern") => keyword += 1,
            Some("use" | "const" | "static" | "type" | "let")
                if ident(tokens, keyword + 1).as_deref() != Some("fn") =>
            {
                return position(tokens, keyword, |token| is_punct(token, ';')) + 1;
            }
            Some("const" | "fn" | "mod" | "impl" | "struct" | "enum" | "trait" | "union") => {
                let is_end = |token: &TokenTree| {
                    is_punct(token, ';')
                        || matches!(token, TokenTree::Group(group)
                            if group.delimiter() == Delimiter::Brace)
                };
                return position(tokens, keyword, is_end) + 1;
            }
            _ => return at,
        }
    }
}

/// The names that a `use` binds, and the path of each.
fn use_tree(tokens: &[TokenTree]) -> Vec<(String, Vec<String>)> {
    let mut bound = Vec::new();
    read_use_tree(tokens, &[], &mut bound);
    bound
}

fn read_use_tree(tokens: &[TokenTree], prefix: &[String], bound: &mut Vec<(String, Vec<String>)>) {
    for tree in tokens.split(|token| is_punct(token, ',')) {
        if tree.is_empty() {
            continue; // After a trailing comma.
        }
        let (names, end) = path_at(tree, 0);
        let path = [prefix, &names[..]].concat();
        let after = if is_separator(tree, end) {
            end + 2
        } else {
            end
        };
        match tree.get(after) {
            Some(TokenTree::Group(group)) => {
                read_use_tree(&self::tokens(group.stream()), &path, bound);
            }
            Some(star) if is_punct(star, '*') => {
                let glob = [&path[..], &["*".to_owned()]].concat();
                bound.push(("*".to_owned(), glob));
            }
            next => {
                let Some(mut name) = path.last().cloned() else {
                    continue;
                };
                let mut path = path;
                if names == ["self"] && !prefix.is_empty() {
                    // `a::{self}` binds `a`.
                    path.pop();
                    name = path.last().cloned().unwrap_or_default();
                }
                if next.is_some() {
                    // `as name`
                    name = ident(tree, after + 1).unwrap_or(name);
                }
                bound.push((name, path));
            }
        }
    }
}
