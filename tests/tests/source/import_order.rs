//! A module imports only from those above it, and no files import each other in a circle.

use crate::{
    files::workspace,
    imports::{Import, imports},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
};

/// The modules of limit-runtime. Each imports only from those above it.
const ORDER: [&str; 22] = [
    "diagnostics",
    "instruments",
    "clock",
    "key",
    "decision",
    "window",
    "store",
    "client_ip",
    "extract",
    "response",
    "observe",
    "policy",
    "limiter",
    "request",
    "usage",
    "handler",
    "layer",
    "serde_impls",
    "dashboard",
    "testing",
    "__private",
    "lib",
];

fn imports_of(krate: &str) -> Vec<Import> {
    let folder = workspace().join(krate).join("src");
    imports(&|file| fs::read_to_string(folder.join(file)).ok())
}

#[test]
fn limit_runtime_imports_from_above_only() {
    let wrong = against_order(&imports_of("limit-runtime"), &ORDER);
    assert!(
        wrong.is_empty(),
        "a module may import only from those above it in the list {ORDER:?}.\n\
         Move what is imported up, or hand it in as a parameter:\n{}",
        wrong.join("\n"),
    );
}

#[test]
fn limit_core_has_no_import_circle() {
    assert_no_circle("limit-core", &imports_of("limit-core"));
}

#[test]
fn limit_macros_has_no_import_circle() {
    assert_no_circle("limit-macros", &imports_of("limit-macros"));
}

#[test]
fn limit_runtime_has_no_import_circle() {
    assert_no_circle("limit-runtime", &imports_of("limit-runtime"));
}

fn assert_no_circle(krate: &str, imports: &[Import]) {
    let circles = circles(imports);
    assert!(
        circles.is_empty(),
        "{} groups of files of {krate} import each other in circles; \
         the shortest circle of each:\n\n{}",
        circles.len(),
        circles.join("\n"),
    );
}

/// The module at the root of the crate that a file belongs to.
fn top_level(file: &str) -> &str {
    let end = file.find('/').unwrap_or(file.len());
    file[..end].trim_end_matches(".rs")
}

/// The imports that break the order, one a line.
fn against_order(imports: &[Import], order: &[&str]) -> Vec<String> {
    let place = |module: &str| order.iter().position(|name| *name == module);
    let mut wrong = Vec::new();
    let mut unknown = BTreeSet::new();
    for import in imports {
        let (from, to) = (top_level(&import.from), top_level(&import.to));
        match (place(from), place(to)) {
            (Some(below), Some(above)) if below < above => {
                wrong.push(format!("{}: `{from}` is above `{to}`", shown(import)));
            }
            (below, above) => {
                let names = [(below, from), (above, to)];
                let missing = names.into_iter().filter(|(place, _)| place.is_none());
                unknown.extend(missing.map(|(_, name)| name));
            }
        }
    }
    wrong.extend(
        unknown
            .into_iter()
            .map(|name| format!("`{name}` is not in the list")),
    );
    wrong
}

fn shown(import: &Import) -> String {
    let Import {
        from,
        to,
        line,
        path,
    } = import;
    format!("  {from}:{line} imports {to} (`{path}`)")
}

/// For each group of files that import each other, directly or through others: how many they are,
/// and the shortest circle through one of them.
fn circles(imports: &[Import]) -> Vec<String> {
    let mut graph = BTreeMap::<&str, Vec<&Import>>::new();
    for import in imports {
        graph.entry(&import.from).or_default().push(import);
    }
    let reachable: BTreeMap<_, _> = graph
        .keys()
        .map(|file| (*file, reach(&graph, file)))
        .collect();
    let mut grouped = BTreeSet::new();
    let mut circles = Vec::new();
    for (&file, ways) in &reachable {
        if !ways.contains_key(file) || !grouped.insert(file) {
            continue;
        }
        let group: Vec<_> = ways
            .keys()
            .copied()
            .filter(|other| {
                reachable
                    .get(other)
                    .is_some_and(|back| back.contains_key(file))
            })
            .collect();
        grouped.extend(&group);
        let shortest = group
            .iter()
            .map(|start| way(&reachable[start], start))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        let lines: Vec<_> = shortest.into_iter().map(shown).collect();
        circles.push(format!(
            "{} files: {}\n{}\n",
            group.len(),
            group.join(", "),
            lines.join("\n")
        ));
    }
    circles
}

/// The files that can be reached from `start`, each with the last import on a shortest way to it.
fn reach<'a>(
    graph: &BTreeMap<&'a str, Vec<&'a Import>>,
    start: &'a str,
) -> BTreeMap<&'a str, &'a Import> {
    let mut reached = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for import in graph.get(file).into_iter().flatten() {
            if !reached.contains_key(&*import.to) {
                reached.insert(&*import.to, *import);
                open.push_back(&import.to);
            }
        }
    }
    reached
}

/// The way from `start` back to it.
fn way<'a>(reached: &BTreeMap<&'a str, &'a Import>, start: &str) -> Vec<&'a Import> {
    let mut imports = Vec::new();
    let mut file = start;
    loop {
        let import = reached[file];
        imports.push(import);
        file = &import.from;
        if file == start {
            break;
        }
    }
    imports.reverse();
    imports
}

mod on_small_inputs {
    use super::{against_order, circles, imports};

    /// The imports of a crate of a few files, as `from:line to`.
    fn read(files: &[(&str, &str)]) -> Vec<String> {
        let text = |file: &str| {
            let found = files.iter().find(|(name, _)| *name == file);
            found.map(|(_, text)| (*text).to_owned())
        };
        let imports = imports(&text);
        let shown = imports
            .iter()
            .map(|i| format!("{}:{} {}", i.from, i.line, i.to));
        shown.collect()
    }

    fn import(from: &str, to: &str) -> super::Import {
        super::Import {
            from: from.to_owned(),
            to: to.to_owned(),
            line: 1,
            path: "crate::x".to_owned(),
        }
    }

    #[test]
    fn a_use_and_a_path_in_code_are_imports() {
        let found = read(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            (
                "a.rs",
                "use crate::b::{self, B,};\n\nfn f() { crate::c::g::<u8>(); std::mem::take(x) }",
            ),
            ("b.rs", "pub(in crate::a) struct B;\nuse std::fmt;"),
            (
                "c.rs",
                "pub fn g<T>() { use super::b::B; x.g::<crate::a::X>() }",
            ),
        ]);
        assert_eq!(
            found,
            [
                "a.rs:1 b.rs",
                "a.rs:1 b.rs",
                "a.rs:3 c.rs",
                "c.rs:1 a.rs",
                "c.rs:1 b.rs"
            ]
        );
    }

    #[test]
    fn a_re_exported_name_is_of_the_file_that_defines_it() {
        let found = read(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::Shown;"),
            (
                "a/mod.rs",
                "mod inner;\nmod glob;\npub use self::inner::{Inner as Shown};\npub use glob::*;",
            ),
            ("a/inner.rs", "pub struct Inner;"),
            ("a/glob.rs", "pin_project! { pub struct Globbed { x: u8 } }"),
            ("b.rs", "use crate::{a::Globbed, Shown};"),
        ]);
        assert_eq!(
            found,
            [
                "a/mod.rs:3 a/inner.rs",
                "a/mod.rs:4 a/glob.rs",
                "b.rs:1 a/glob.rs",
                "b.rs:1 a/inner.rs",
                "lib.rs:3 a/inner.rs",
            ]
        );
    }

    #[test]
    fn a_child_imports_its_parent_only_if_the_parent_defines_the_name() {
        let found = read(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a/mod.rs", "mod child;\nuse crate::b::B;\npub struct A;"),
            ("a/child.rs", "use super::B;\nuse super::A;"),
            ("b.rs", "pub struct B;"),
        ]);
        assert_eq!(
            found,
            [
                "a/child.rs:1 b.rs",
                "a/child.rs:2 a/mod.rs",
                "a/mod.rs:2 b.rs"
            ]
        );
    }

    #[test]
    fn a_path_that_begins_with_a_child_module_is_an_import_of_it() {
        let found = read(&[
            ("lib.rs", "mod a;"),
            (
                "a/mod.rs",
                "mod child;\nfn f() { child::g(); other::h(); x::child::g() }",
            ),
            ("a/child.rs", "pub fn g() {}"),
        ]);
        assert_eq!(found, ["a/mod.rs:2 a/child.rs"]);
    }

    #[test]
    fn tests_and_comments_do_not_count() {
        let found = read(&[
            ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod tests;"),
            (
                "a.rs",
                "/// `use crate::b::B;`\nfn f() {}\n\
                 #[cfg(test)]\nuse crate::b::{B};\n\
                 #[cfg(all(test, unix))]\nmod tests { use crate::b::B; }\n\
                 #[cfg(test)]\npub(crate) const fn g() { crate::b::h() }",
            ),
            ("b.rs", "#[cfg(not(test))]\nuse crate::a::f;\npub struct B;"),
        ]);
        assert_eq!(found, ["b.rs:2 a.rs"]);
    }

    #[test]
    fn modules_inside_of_a_file_and_macros_are_of_that_file() {
        let found = read(&[
            ("lib.rs", "mod a;\nmod b;\nmod macros;"),
            (
                "a.rs",
                "mod inner { use super::super::b::B; use super::A; }\nstruct A;",
            ),
            ("b.rs", "pub struct B;\nfn f() { crate::exported!(1) }"),
            (
                "macros.rs",
                "#[macro_export]\nmacro_rules! exported { ($x:expr) => { $crate::b::B } }",
            ),
        ]);
        assert_eq!(
            found,
            ["a.rs:1 b.rs", "b.rs:2 macros.rs", "macros.rs:2 b.rs"]
        );
    }

    #[test]
    fn an_import_from_below_is_found() {
        let imports = [
            import("b/x.rs", "a.rs"),
            import("a.rs", "b/x.rs"),
            import("b/x.rs", "b/y.rs"),
            import("lib.rs", "c.rs"),
        ];
        assert_eq!(
            against_order(&imports, &["a", "b", "lib"]),
            [
                "  a.rs:1 imports b/x.rs (`crate::x`): `a` is above `b`",
                "`c` is not in the list"
            ]
        );
    }

    #[test]
    fn the_shortest_circle_of_each_group_is_shown() {
        let imports = [
            import("a", "b"),
            import("b", "c"),
            import("c", "a"),
            import("c", "b"),
            import("d", "a"),
            import("e", "f"),
            import("f", "e"),
        ];
        assert_eq!(
            circles(&imports),
            [
                "3 files: a, b, c\n  b:1 imports c (`crate::x`)\n  c:1 imports b (`crate::x`)\n",
                "2 files: e, f\n  e:1 imports f (`crate::x`)\n  f:1 imports e (`crate::x`)\n",
            ]
        );
    }
}
