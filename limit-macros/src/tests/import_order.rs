//! Modules import only from modules that are declared above them; see the comment of the crate.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A source file, and the path of its module within the crate.
struct Module {
    file: PathBuf,
    path: Vec<String>,
}

fn modules(folder: &Path, parent: &[String], found: &mut Vec<Module>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut path = parent.to_vec();
        if file.is_dir() {
            if name != "tests" {
                path.push(name);
                modules(&file, &path, found)?;
            }
        } else {
            if name != "mod" && name != "lib" {
                path.push(name);
            }
            found.push(Module { file, path });
        }
    }
    Ok(())
}

/// The modules that a module declares, in order.
fn declared(module: &Module) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(&module.file)?;
    let names = text.lines().filter_map(|line| {
        let (_, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
        Some(name.to_owned())
    });
    Ok(names.collect())
}

/// The paths behind `use crate::`, outside of the tests of a module. `use crate::a::{b, c};` has
/// the paths of `b` and `c`.
fn imports(module: &Module) -> io::Result<Vec<Vec<String>>> {
    let text = fs::read_to_string(&module.file)?;
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let mut imports = Vec::new();
    for import in code.unwrap_or_default().split("\nuse crate::").skip(1) {
        let path = import.split(';').next().unwrap_or_default();
        let (base, names) = path.split_once('{').unwrap_or((path, ""));
        for name in names.trim_end_matches('}').split(',') {
            let segments = format!("{base}{name}");
            imports.push(
                segments
                    .split("::")
                    .map(|it| it.trim().to_owned())
                    .collect(),
            );
        }
    }
    Ok(imports)
}

#[test]
fn modules_import_only_from_those_declared_above_them() -> io::Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    modules(&source, &[], &mut all)?;
    let mut checked = 0;
    for module in &all {
        for import in imports(module)? {
            let pairs = module.path.iter().zip(&import);
            let common = pairs.take_while(|(own, other)| own == other).count();
            let (Some(own), Some(other)) = (module.path.get(common), import.get(common)) else {
                // A module imports from its own children.
                assert_eq!(common, module.path.len(), "{import:?}");
                continue;
            };
            let parent = all
                .iter()
                .find(|it| module.path.iter().take(common).eq(&it.path));
            let order = declared(parent.expect("a module has a parent"))?;
            let position = |name: &String| order.iter().position(|declared| declared == name);
            let is_above = position(other).is_some_and(|other| Some(other) < position(own));
            assert!(is_above, "{} imports {import:?}", module.file.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} imports were found");
    Ok(())
}
