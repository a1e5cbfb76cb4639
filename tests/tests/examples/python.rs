//! Clients of model APIs for Python, from PyPI.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Runs a script of this folder, which uses this package, against an example that serves at this
/// URL. Returns what it printed.
///
/// `None` if Python or PyPI is missing, which is said.
pub(crate) fn run(package: &str, script: &str, url: &str) -> Option<String> {
    let python = match with_package(package) {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return None;
        }
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/examples")
        .join(script);
    let output = Command::new(python).arg(script).arg(url).output().unwrap();
    let (printed, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{printed}");
    assert!(output.status.success(), "{printed}\n{errors}");
    Some(printed.into_owned())
}

/// Python with a package, in a virtual environment among the build's files.
fn with_package(package: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{package}-client"));
    let python = folder.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let import = format!("import {package}");
    let installed = || run(&python, &["-c", &import]);
    if installed().is_err() {
        let path = folder.to_string_lossy();
        run(Path::new("python3"), &["-m", "venv", &path])
            .map_err(|error| format!("no Python with `venv`: {error}"))?;
        let packages = ["-m", "pip", "install", "--quiet", package];
        run(&python, &packages).map_err(|error| format!("no `{package}` from PyPI: {error}"))?;
        installed().map_err(|error| format!("`{package}` does not run: {error}"))?;
    }
    Ok(python)
}
