//! Programs that a test starts: they die with it, however it ends.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader},
    iter,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Once,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

/// The shell outlives neither side: when its standard input ends, because the test let go of it or
/// was killed, it kills the program; when the program ends, it answers with its status. The first
/// line is the program's id, which is printed before there is a program that could print anything.
const KEEPER: &str = r#"
exec 3<&0
sh -c 'echo $$; exec "$@"' program "$@" 3<&- </dev/null & program=$!
{ cat <&3 >/dev/null; kill -9 $program 2>/dev/null; } &
{ wait $program; } 2>/dev/null; status=$?
kill $! 2>/dev/null
exit $status
"#;

/// A running program, and what it prints.
#[derive(Debug)]
pub struct Program {
    keeper: Child,
    leash: Option<ChildStdin>,
    pid: u32,
    lines: Receiver<String>,
}

impl Program {
    /// Starts `program`; it is killed when the value is dropped, or when the test process ends.
    #[must_use]
    pub fn start<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let leash = keeper.stdin.take();
        let mut output = BufReader::new(keeper.stdout.take().unwrap()).lines();
        let pid = output.next().unwrap().unwrap().trim().parse().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                // The receiver may be gone.
                let _ = sender.send(line);
            }
        });
        Self {
            keeper,
            leash,
            pid,
            lines,
        }
    }

    /// Waits for a line that `found` makes something of, and gives that.
    pub fn wait_for_line<T>(&self, found: impl Fn(&str) -> Option<T>) -> T {
        let mut seen = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(Duration::from_secs(30)) else {
                panic!("the program ended, or said nothing for 30 s; it printed:\n{seen}");
            };
            if let Some(found) = found(&line) {
                return found;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    /// Waits for the program to end by itself: how it ended, and what it printed.
    #[must_use]
    pub fn run(self) -> (ExitStatus, Vec<String>) {
        let lines = iter::from_fn(|| {
            let line = self.lines.recv_timeout(Duration::from_secs(30));
            assert_ne!(
                line,
                Err(RecvTimeoutError::Timeout),
                "the program said nothing for 30 s, and did not end"
            );
            line.ok()
        });
        let lines = lines.collect();
        (self.wait(), lines)
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the program to end by itself.
    #[must_use]
    pub fn wait(mut self) -> ExitStatus {
        self.keeper.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.leash.take());
        // The keeper ends once the program has; there is nothing to do about a failure here.
        let _ = self.keeper.wait();
    }
}

/// For programs that take none.
pub const NO_ARGUMENTS: [&str; 0] = [];

/// A running example of the `examples` folder that serves HTTP.
#[derive(Debug)]
pub struct Example {
    /// The program.
    pub program: Program,
    /// Its address, such as `http://127.0.0.1:43210`.
    pub url: String,
}

impl Example {
    /// Builds the examples if need be, starts this one on a free port, and waits until it listens.
    #[must_use]
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same, with further variables in its environment.
    #[must_use]
    pub fn start_with(name: &str, environment: &[(&str, &str)]) -> Self {
        let mut variables = vec![("PORT", "0")];
        variables.extend(environment);
        let program = Program::start(build(name), NO_ARGUMENTS, &variables);
        let url = program.wait_for_line(|line| {
            let (_, rest) = line.split_once("http://")?;
            let end = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
                .unwrap_or(rest.len());
            Some(format!("http://{}", rest[..end].trim_end_matches('.')))
        });
        Self { program, url }
    }
}

/// The program of an example, in the same profile as this test. The first call builds all examples.
pub fn build(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "examples", "--examples"]);
        cargo.arg("--all-features");
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.status().unwrap().success();
        assert!(built, "the examples do not build");
    });
    // This test is in target/<profile>/deps.
    let mut path = env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples").join(name)
}
