//! A real browser, and what people do with it.

use crate::driver::{By, Driver, Element};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(10);

/// A browser with its driver.
pub struct Browser {
    pub web: Driver,
    driver: Child,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Whether there is a browser. Without one these tests have nothing to show, and say so; where `CI` is set they fail instead.
pub fn is_here() -> bool {
    let answers = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let here = ["chromium", "chromedriver"].into_iter().all(answers);
    assert!(here || std::env::var_os("CI").is_none(), "no browser: apt-get install chromium chromium-driver");
    if !here {
        eprintln!("SKIPPED, there is no browser: apt-get install chromium chromium-driver");
    }
    here
}

impl Browser {
    /// Starts Debian's Chromium without a window, with its driver; `scripts` says whether pages may run any.
    pub async fn start(scripts: bool) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("chromedriver");
        // It takes a port that is free and says which: one that was free before may be somebody else's by now.
        let said = BufReader::new(driver.stdout.as_mut().expect("what it says")).lines().map_while(Result::ok);
        let mut ports =
            said.filter_map(|line| line.rsplit_once(" started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        let port: u16 = ports.next().expect("chromedriver's port");
        let scripting = if scripts { 1 } else { 2 };
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
                "--lang=en-GB", "--force-prefers-reduced-motion", "--hide-scrollbars"],
            "prefs": {"profile.managed_default_content_settings.javascript": scripting},
        });
        let begun = Instant::now();
        loop {
            match Driver::begin(&format!("http://127.0.0.1:{port}"), &options).await {
                Ok(web) => return Self { web, driver },
                Err(error) => assert!(begun.elapsed() < PATIENCE, "the browser does not start: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the browser.
    pub async fn stop(&self) {
        let _ = self.web.quit().await;
    }

    pub async fn open(&self, url: &str) {
        self.web.goto(url).await.unwrap();
    }

    /// The element that a selector of CSS finds first, once it is there.
    pub async fn find(&self, css: &str) -> Element {
        let begun = Instant::now();
        loop {
            match self.web.find(By::Css(css)).await {
                Ok(element) => return element,
                Err(error) => {
                    assert!(begun.elapsed() < PATIENCE, "no {css} on {}: {error}\n{}", self.url().await, self.text().await);
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn has(&self, css: &str) -> bool {
        self.web.find(By::Css(css)).await.is_ok()
    }

    /// All that the page shows; of two, while one makes way for the other, the next.
    pub async fn text(&self) -> String {
        let begun = Instant::now();
        loop {
            let read = match self.web.find(By::Css("body")).await {
                Ok(body) => body.text().await,
                Err(error) => Err(error),
            };
            match read {
                Ok(text) => return text,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "no page: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The page's address, without the place on it that the browser went to.
    pub async fn url(&self) -> String {
        let url = self.web.url().await.unwrap();
        url.split('#').next().unwrap().to_owned()
    }

    /// What has the focus, by its name or its class, and how far below the window's upper edge it is.
    pub async fn focus(&self) -> (String, f64) {
        let script = "const at = document.activeElement; return [at.name ?? at.className, at.getBoundingClientRect().top]";
        serde_json::from_value(self.web.execute(script).await.unwrap()).unwrap()
    }

    /// How far below the window's upper edge something is.
    pub async fn top(&self, css: &str) -> f64 {
        let script = format!("return document.querySelector({css:?}).getBoundingClientRect().top");
        self.web.execute(&script).await.unwrap().as_f64().unwrap()
    }

    /// Waits until the page shows a text.
    pub async fn shows(&self, text: &str) {
        let begun = Instant::now();
        while !self.text().await.contains(text) {
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not on {}:\n{}", self.url().await, self.text().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fills in a field of a form by its name, choosing if it is a choice.
    pub async fn fill(&self, form: &str, name: &str, value: &str) {
        let field = self.find(&format!("{form} [name='{name}']")).await;
        if field.name().await.unwrap() == "select" {
            self.find(&format!("{form} [name='{name}'] option[value='{value}']")).await.click().await.unwrap();
            return;
        }
        if field.attribute("type").await.unwrap() == "date" {
            // What is typed into it depends on the browser's language; the value does not.
            let field = format!("const field = document.querySelector(\"{form} [name='{name}']\");");
            let script = format!("{field} field.value = '{value}'; field.dispatchEvent(new Event('input', {{bubbles: true}}));");
            self.web.execute(&script).await.unwrap();
            return;
        }
        field.clear().await.unwrap();
        field.type_in(value).await.unwrap();
    }

    /// Presses what a selector finds, and waits for the page that comes of it.
    pub async fn press(&self, css: &str) {
        let page = self.find("html").await;
        self.find(css).await.click().await.unwrap();
        let begun = Instant::now();
        // The page before is gone once its root is.
        while !page.gone().await {
            assert!(begun.elapsed() < PATIENCE, "pressing {css} leads nowhere");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.find("main").await;
    }

    /// Opens a form that an action hides.
    pub async fn unfold(&self, form: &str) {
        let summary = format!("//form[@id='{form}']/parent::details[not(@open)]/summary");
        if let Ok(summary) = self.web.find(By::XPath(&summary)).await {
            summary.click().await.unwrap();
        }
    }

    /// Unfolds a form, fills it in and sends it.
    pub async fn send(&self, form: &str, values: &[(&str, &str)]) {
        self.find(&format!("form#{form}")).await;
        self.unfold(form).await;
        for (name, value) in values {
            self.fill(&format!("#{form}"), name, value).await;
        }
        self.press(&format!("#{form} button[type=submit]")).await;
    }

    /// Looks at the page as in this time zone, such as `Europe/Madrid`; as where the tests run, if it is empty.
    pub async fn zone(&self, id: &str) {
        self.web.devtools("Emulation.setTimezoneOverride", &json!({ "timezoneId": id })).await.unwrap();
    }

    /// Looks at the page at a width in pixels, as a phone or a desktop has it.
    pub async fn width(&self, width: u32) {
        let height = if width < 600 { 844 } else { 900 };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.web.devtools("Emulation.setDeviceMetricsOverride", &metrics).await.unwrap();
    }

    /// Shows pages as somebody sees them who prefers dark ones.
    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.web.devtools("Emulation.setEmulatedMedia", &features).await.unwrap();
    }

    /// Keeps a picture of the whole page.
    pub async fn picture(&self, name: &str) {
        let shot = json!({"format": "png", "captureBeyondViewport": true});
        let shot: Value = self.web.devtools("Page.captureScreenshot", &shot).await.unwrap();
        let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(screens().join(format!("{name}.png")), png).unwrap();
    }
}

/// Where pictures are kept.
pub fn screens() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let screens = target.join("screens");
    std::fs::create_dir_all(&screens).unwrap();
    screens
}
