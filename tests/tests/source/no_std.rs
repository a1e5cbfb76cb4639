//! limit-core compiles where there is no standard library.

use crate::files::workspace;
use std::{env, fs, path::Path, process::Command};

/// Compiles limit-core with a sysroot that has `core` alone, so that neither `std` nor `alloc` can
/// be linked. No other target has to be installed for that.
#[test]
fn limit_core_needs_neither_std_nor_alloc() {
    let root = workspace().join("limit-core/src/lib.rs");
    let (compiles, errors) = compiles_with_core_alone(&root);
    assert!(compiles, "{errors}");
}

#[test]
fn a_use_of_std_or_alloc_is_found() {
    for name in ["std", "alloc"] {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("uses_{name}.rs"));
        fs::write(&file, format!("#![no_std]\nextern crate {name};\n")).unwrap();
        let (compiles, errors) = compiles_with_core_alone(&file);
        assert!(!compiles);
        assert!(
            errors.contains(&format!("can't find crate for `{name}`")),
            "{errors}"
        );
    }
}

fn compiles_with_core_alone(root: &Path) -> (bool, String) {
    let name = root
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .file_name()
        .unwrap();
    let name = format!("{}-{}", name.display(), root.file_stem().unwrap().display());
    let sysroot = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = |what: &str| {
        let output = Command::new(&rustc)
            .args(["--print", what])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let libraries = printed("target-libdir");
    let inside = Path::new(&libraries)
        .strip_prefix(printed("sysroot"))
        .unwrap();
    let copies = sysroot.join(inside);
    let _ = fs::remove_dir_all(&sysroot);
    fs::create_dir_all(&copies).unwrap();
    for entry in fs::read_dir(&libraries).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let library = name.to_string_lossy();
        if ["libcore-", "libcompiler_builtins-"]
            .iter()
            .any(|core| library.starts_with(core))
        {
            fs::copy(entry.path(), copies.join(&name)).unwrap();
        }
    }
    let output = Command::new(&rustc)
        .args(["--edition=2024", "--crate-type=lib", "--crate-name=checked"])
        .args(["--emit=metadata", "--sysroot"])
        .arg(&sysroot)
        .arg("--out-dir")
        .arg(&sysroot)
        .arg(root)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), errors)
}
