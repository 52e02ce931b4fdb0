//! A stack and a browser, shared by all tests of this binary: they take turns, since a browser has one person before it.

use crate::api::{Answer, Site};
use crate::browser::{Browser, is_here};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use tokio::runtime::Runtime;

/// The desk: a stack with its console open in a browser.
pub struct Desk {
    pub site: Site,
    pub browser: Browser,
    turn: tokio::sync::Mutex<()>,
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// Plays a test at the desk, signed in as a manager.
pub fn at_the_desk(play: impl AsyncFnOnce(&Desk)) {
    if !is_here() {
        return;
    }
    let desk = desk();
    RUNTIME.block_on(async {
        let _turn = desk.turn.lock().await;
        desk.browser.width(1280).await;
        desk.sign_in().await;
        play(&desk).await;
    });
}

/// Plays something with a stack and a browser of its own.
pub fn apart(play: impl AsyncFnOnce()) {
    RUNTIME.block_on(play());
}

/// The desk that a test is at now, or a new one. It ends with the last test that waits for its turn.
fn desk() -> Arc<Desk> {
    static DESK: Mutex<Weak<Desk>> = Mutex::new(Weak::new());
    let mut known = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let (site, browser) = RUNTIME.block_on(async { tokio::join!(Site::start(), Browser::start(true)) });
        let desk = Arc::new(Desk { site, browser, turn: tokio::sync::Mutex::new(()) });
        *known = Arc::downgrade(&desk);
        desk
    })
}

impl Drop for Desk {
    fn drop(&mut self) {
        RUNTIME.block_on(self.browser.stop());
    }
}

impl Desk {
    /// A page's address.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.stack.base_url())
    }

    pub async fn open(&self, path: &str) {
        self.browser.open(&self.url(path)).await;
    }

    pub async fn sign_in(&self) {
        self.open("/console/orders").await;
        if self.browser.has("form[action='/console/sign-in']").await {
            self.sign_in_with(&self.site.stack.keys().manager_key).await;
        }
    }

    /// Reads something as the browser would, in its session and with one more cookie.
    pub async fn fetch(&self, path: &str, cookie: &str) -> Answer {
        let session = self.browser.web.cookie("simdock-session").await.unwrap();
        let cookies = format!("simdock-session={}; {cookie}", session["value"].as_str().unwrap());
        self.site.get(path.to_owned()).header("cookie", cookies).send().await
    }

    /// Shows a key at the door.
    pub async fn sign_in_with(&self, key: &str) {
        self.browser.fill("form[action='/console/sign-in']", "key", key).await;
        self.browser.press("form[action='/console/sign-in'] button").await;
    }
}

/// An order of a physical card.
pub fn by_post() -> Value {
    json!({
        "planId": "world-2gb-30d", "count": 1, "payment": "balance", "formFactor": "physical", "channel": "web",
        "subscriber": {"email": "ana@example.com", "name": "Ana Torres", "language": "es",
            "postalAddress": {"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"}},
    })
}
