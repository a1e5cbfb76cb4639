//! Headless Chromium by the WebDriver protocol (W3C), through ChromeDriver.

use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    profile: PathBuf,
    client: reqwest::Client,
    session: String,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver starts: `./test --browser` installs it");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("chromedriver says its port");
        let profile = env::temp_dir().join(format!("limits-browser-{}", std::process::id()));
        fs::create_dir_all(&profile).unwrap();
        let mut browser = Self {
            driver,
            client: reqwest::Client::new(),
            session: format!("http://127.0.0.1:{port}/session"),
            profile,
        };
        let profile = format!("--user-data-dir={}", browser.profile.display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile,
        ];
        let options = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}});
        let session = browser.send("", Some(&options)).await;
        let id = session["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Calls a command, with `POST` if there is a body, and returns its value.
    async fn send(&self, command: &str, body: Option<&Value>) -> Value {
        let url = format!("{}{command}", self.session);
        let request = match body {
            Some(body) => self.client.post(url).json(body),
            None => self.client.get(url),
        };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{command}: {answer}");
        answer["value"].clone()
    }

    pub(crate) async fn open(&self, url: &str) {
        self.send("/url", Some(&json!({ "url": url }))).await;
    }

    /// Runs the body of an async function in the page, and returns its value.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, error => done('failed: ' + error));"
        );
        let body = json!({ "script": script, "args": [] });
        self.send("/execute/async", Some(&body)).await
    }

    /// Waits until an expression is true. The time limit is that of WebDriver's scripts, 30 s.
    pub(crate) async fn wait_until(&self, condition: &str) {
        let script = format!(
            "while (!({condition})) await new Promise(next => setTimeout(next, 50)); return true;"
        );
        assert_eq!(self.run(&script).await, true, "{condition}");
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.send("/goog/cdp/execute", Some(&body)).await
    }

    pub(crate) async fn set_view(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.chromium("Emulation.setDeviceMetricsOverride", size)
            .await;
        let scheme = json!({
            "features": [{ "name": "prefers-color-scheme", "value": scheme }],
        });
        self.chromium("Emulation.setEmulatedMedia", scheme).await;
    }

    /// The image of the window as base64 of a PNG.
    pub(crate) async fn screenshot(&self) -> String {
        let shot = self.send("/screenshot", None).await;
        shot.as_str().unwrap().to_owned()
    }

    /// What the console has had since the last call.
    pub(crate) async fn console(&self) -> Vec<Value> {
        self.log("browser").await
    }

    /// The addresses that the page has requested since the last call.
    pub(crate) async fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let urls = entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let is_request = event["method"] == "Network.requestWillBeSent";
            let url = event["params"]["request"]["url"].as_str()?;
            is_request.then(|| url.to_owned())
        });
        urls.collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.send("/se/log", Some(&json!({ "type": kind }))).await;
        log.as_array().unwrap().clone()
    }

    pub(crate) async fn quit(self) {
        let quit = self.client.delete(&self.session).send().await;
        quit.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
