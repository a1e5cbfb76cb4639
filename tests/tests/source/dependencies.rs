//! Licences, duplicate versions, the lowest compiler, and dependencies that nothing uses.

use crate::files::{rust_files, workspace};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

const PUBLISHED: [&str; 3] = ["limit-core", "limit-macros", "limit-runtime"];

/// Licences that our users can comply with without asking: permissive ones.
const ALLOWED_LICENCES: [&str; 6] = [
    "Apache-2.0",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
];

/// Crates that users compile in more than one version, on at least one platform, with the reason.
const DUPLICATES: [(&str, &str); 3] = [
    (
        "getrandom",
        "`redis-tls`: ring has 0.2, and redis has 0.4 by rand",
    ),
    (
        "syn",
        "`memcached`: enum_dispatch, of memcache, has 2; our macros have 3",
    ),
    (
        "windows-sys",
        "`redis-tls` on Windows: ring has 0.52, all others have 0.61",
    ),
];

/// Dependencies that no source file names: for features alone.
const UNNAMED: [(&str, &str); 0] = [];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--all-features", "--locked"])
        .current_dir(workspace())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// All packages that the workspace may need.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version=1"]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].take();
    serde_json::from_value(packages).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The packages that users compile: our crates with all features, and what they depend on, without
/// the dependencies of tests, on all platforms.
fn compiled_by_users() -> Vec<Value> {
    let mut arguments = vec![
        "tree",
        "--edges=normal,build",
        "--target=all",
        "--prefix=none",
    ];
    arguments.extend(PUBLISHED.iter().flat_map(|name| ["--package", name]));
    let tree = cargo(&arguments);
    // A line is `name v1.2.3`, and more in parentheses.
    let compiled: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap_or_default()))
        .collect();
    let mut packages = packages();
    packages.retain(|p| compiled.contains(&(text(&p["name"]), text(&p["version"]))));
    assert!(packages.len() > PUBLISHED.len());
    packages
}

#[test]
fn licences_of_dependencies_are_permissive() {
    let refused: Vec<_> = compiled_by_users()
        .into_iter()
        .filter(|package| !is_allowed(text(&package["license"])))
        .map(|package| format!("{}: {}", package["name"], package["license"]))
        .collect();
    assert!(
        refused.is_empty(),
        "licences other than {ALLOWED_LICENCES:?}: {refused:#?}"
    );
}

/// Whether an SPDX expression can be satisfied by allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    words.reverse();
    any_of(&mut words) && words.is_empty()
}

/// Alternatives, up to a closing parenthesis. `words` are in reverse.
fn any_of(words: &mut Vec<&str>) -> bool {
    let mut any = all_of(words);
    while words.last() == Some(&"OR") {
        words.pop();
        any |= all_of(words);
    }
    any
}

fn all_of(words: &mut Vec<&str>) -> bool {
    let mut all = one(words);
    while words.last() == Some(&"AND") {
        words.pop();
        all &= one(words);
    }
    all
}

fn one(words: &mut Vec<&str>) -> bool {
    let allowed = match words.pop() {
        Some("(") => {
            let inner = any_of(words);
            inner & (words.pop() == Some(")"))
        }
        licence => licence.is_some_and(|licence| ALLOWED_LICENCES.contains(&licence)),
    };
    if words.last() == Some(&"WITH") {
        // An exception permits more than its licence.
        words.truncate(words.len().saturating_sub(2));
    }
    allowed
}

#[test]
fn expressions_of_licences_are_understood() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "MIT OR GPL-3.0-only",
        "GPL-3.0-only OR MIT",
        "MIT AND BSD-3-Clause",
        "(MIT OR GPL-3.0-only) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "CC0-1.0 OR Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "(MIT OR Apache-2.0) AND GPL-3.0-only",
        "MIT Apache-2.0",
        "(MIT",
    ] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn duplicate_versions_are_the_listed_ones() {
    let packages = compiled_by_users();
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in &packages {
        let of_name = versions.entry(text(&package["name"])).or_default();
        of_name.insert(text(&package["version"]));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let found: BTreeSet<_> = versions.keys().copied().collect();
    let listed: BTreeSet<_> = DUPLICATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        found, listed,
        "left: the crates that users compile in several versions ({versions:?}); \
         right: those listed in `DUPLICATES`"
    );
}

/// clippy's `incompatible_msrv` checks what our code calls. Together they show that the stated
/// version is not too low; only the compiler of that version itself proves it.
#[test]
fn no_dependency_needs_a_newer_compiler_than_ours() {
    let version = |package: &Value| -> (u32, u32) {
        let stated = text(&package["rust_version"]);
        let mut numbers = stated.split('.').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next())
    };
    let is_ours = |package: &Value| PUBLISHED.contains(&text(&package["name"]));
    let (ours, dependencies): (Vec<_>, Vec<_>) = compiled_by_users().into_iter().partition(is_ours);
    let stated: BTreeSet<_> = ours.iter().map(version).collect();
    assert_eq!(stated.len(), 1, "one version for our crates: {stated:?}");
    let stated = *stated.first().unwrap();
    for package in dependencies {
        assert!(
            version(&package) <= stated,
            "{} {} needs Rust {}, and our `rust-version` is {stated:?}",
            package["name"],
            package["version"],
            package["rust_version"],
        );
    }
}

#[test]
fn every_dependency_is_used() {
    let packages = packages();
    let mut unused = BTreeSet::new();
    // Packages without a source are in this workspace.
    for package in packages
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let manifest = text(&package["manifest_path"]);
        let folder = manifest.strip_suffix("Cargo.toml").unwrap();
        let sources: Vec<String> = rust_files()
            .into_iter()
            .map(|file| workspace().join(file))
            .filter(|file| file.starts_with(folder))
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        for dependency in package["dependencies"].as_array().unwrap() {
            let rename = dependency["rename"].as_str();
            let name = rename.unwrap_or(text(&dependency["name"]));
            let word = name.replace('-', "_");
            if !sources.iter().any(|source| has_word(source, &word)) {
                unused.insert((text(&package["name"]), name));
            }
        }
    }
    let listed: BTreeSet<_> = UNNAMED.into_iter().collect();
    assert_eq!(
        unused, listed,
        "left: dependencies (package, dependency) that no source file names; \
         right: those listed in `UNNAMED`"
    );
}

fn has_word(source: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(word).any(|(at, _)| {
        let before = source[..at].chars().next_back();
        let after = source[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}
