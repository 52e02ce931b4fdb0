//! Who comes in, how, and what is refused to anybody else.

use crate::api::{Answer, By, SOURCES, Site, eventually, num};
use crate::browser::{Browser, is_here};
use crate::shop::{apart, at_the_desk};
use hyper::Method;
use simdock_local::Options;
use simdock_tests::{Faults, Proxy};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The cookie and the form token of a session that a client without a browser began.
pub async fn session(site: &Site) -> (String, String) {
    let key = &site.stack.keys().manager_key;
    let answer = sign_in(site, key).await;
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(key.as_str()));
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let page = site.get("/console/orders").header("cookie", &cookie).send().await;
    assert_eq!(page.status, 200);
    let token = page.text().split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (cookie, token)
}

async fn sign_in(site: &Site, key: &str) -> Answer {
    let call = site.post("/console/sign-in").header("sec-fetch-site", "same-origin").header("origin", "null");
    call.body("application/x-www-form-urlencoded", format!("key={key}&back=%2Fconsole%2Forders")).send().await
}

#[test]
fn managers_come_in_and_nobody_else() {
    at_the_desk(async |desk| {
        let (browser, keys) = (&desk.browser, desk.site.stack.keys());
        browser.press("form[action='/console/sign-out'] button").await;
        browser.shows("Sign in with a manager’s key").await;
        desk.open("/console/orders?status=4").await;
        browser.shows("Sign in").await;
        desk.sign_in_with("sdk_manager_that_never_was").await;
        browser.shows("This key is not good").await;
        desk.sign_in_with(&keys.partner_key).await;
        browser.shows("This is a partner’s key").await;
        desk.sign_in_with(&keys.manager_key).await;
        // It goes on to where it was asked for.
        assert!(browser.url().await.ends_with("/console/orders?status=4"), "{}", browser.url().await);
        let cookie = browser.web.cookie("simdock-session").await.unwrap();
        assert!(!cookie["value"].as_str().unwrap().contains(keys.manager_key.as_str()));
        assert_eq!(cookie["httpOnly"], true);
    });
}

#[test]
fn what_no_page_of_the_session_sent_is_refused() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, token) = session(site).await;
        let note = |token: &str, headers: &[(&str, &str)]| {
            let mut call = site.post("/console/columns/orders").header("cookie", cookie.clone());
            for (name, value) in headers {
                call = call.header(name, *value);
            }
            call.body("application/x-www-form-urlencoded", format!("token={token}&column=status"))
        };
        let base = site.stack.base_url();
        for (headers, status) in [
            (vec![("sec-fetch-site", "same-origin"), ("origin", "null")], 303),
            (vec![("sec-fetch-site", "same-origin"), ("origin", base)], 303),
            (vec![("origin", base)], 303),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "null")], 403),
            (vec![("sec-fetch-site", "same-site"), ("origin", base)], 403),
            (vec![("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], 403),
            (vec![("origin", "https://evil.example")], 403),
            (vec![("origin", "null")], 403),
            (vec![], 403),
        ] {
            assert_eq!(note(&token, &headers).send().await.status, status, "{headers:?}");
        }
        let (_, other) = session(site).await;
        for token in ["", "x", &other, &token[1..]] {
            let answer = note(token, &[("origin", base)]).send().await;
            assert_eq!(answer.status, 403, "{token}");
            assert!(answer.text().contains("did not come from a page of your session"));
        }
        // Nobody is signed in without a good cookie.
        let (name, value) = cookie.split_once('=').unwrap();
        let last = if value.ends_with('0') { '1' } else { '0' };
        for bad in [String::new(), format!("{name}={}{last}", &value[..value.len() - 1]), format!("{name}={value}0")] {
            let answer = site.get("/console/orders").header("cookie", bad).send().await;
            assert_eq!((answer.status, answer.header("location")), (303, Some("/console/sign-in?back=%2Fconsole%2Forders")));
        }
        for (back, to) in [
            ("https://evil.example/", "/console/orders"),
            ("//evil.example", "/console/orders"),
            ("/v1/orders", "/console/orders"),
            ("/console", "/console/orders"),
            ("/console/sign-out", "/console/orders"),
            ("/console/../../x", "/console/orders"),
            ("/console/%2e%2e/x", "/console/orders"),
            ("/console/%252e%252e/x", "/console/orders"),
            ("/console/%5cevil.example", "/console/orders"),
            ("/console/%255cevil.example", "/console/orders"),
            ("/console//evil.example", "/console/evil.example"),
            ("/console/orders%3fstatus=4%23x", "/console/orders?status=4%23x"),
        ] {
            let call = site.post("/console/sign-in").header("origin", base);
            let body = format!("key={}&back={back}", site.stack.keys().manager_key);
            let answer = call.body("application/x-www-form-urlencoded", body).send().await;
            assert_eq!(answer.header("location"), Some(to), "{back}");
        }
        assert_eq!(site.get("/console/../v1/orders").header("cookie", &cookie).send().await.status, 404);
    });
}

#[test]
fn the_door_is_found_with_a_slash_and_by_whoever_only_looks() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, _) = session(site).await;
        for (path, signed_out, signed_in) in [
            ("/console", (303, Some("/console/sign-in?back=%2Fconsole")), (303, Some("/console/orders"))),
            ("/console/", (303, Some("/console/sign-in?back=%2Fconsole")), (303, Some("/console/orders"))),
            ("/console/orders/new", (303, Some("/console/sign-in?back=%2Fconsole%2Forders%2Fnew")), (200, None)),
            ("/console/sign-in", (200, None), (200, None)),
        ] {
            for (cookie, told) in [("", signed_out), (&cookie, signed_in)] {
                let got = site.get(path).header("cookie", cookie).send().await;
                let looked = site.call(Method::HEAD, path).header("cookie", cookie).send().await;
                assert_eq!((got.status, got.header("location")), told, "{path}");
                assert_eq!((looked.status, looked.header("location"), looked.body.len()), (told.0, told.1, 0), "{path}");
                assert_eq!(looked.header("content-type"), got.header("content-type"));
            }
        }
    });
}

#[test]
fn pages_say_what_browsers_may_do_with_them() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, _) = session(site).await;
        let page = site.get("/console/orders").header("cookie", cookie).send().await;
        let policy = page.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        for (name, value) in
            [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")]
        {
            assert_eq!(page.header(name), Some(value));
        }
        for asset in page.text().split('"').filter(|part| part.starts_with("/console/assets/")) {
            let file = site.get(asset).send().await;
            assert_eq!(
                (file.status, file.header("cache-control")),
                (200, Some("public, max-age=31536000, immutable")),
                "{asset}"
            );
        }
        assert_eq!(site.get("/console/assets/console.css").send().await.status, 404);
        // Nothing is done by reading.
        assert_eq!(site.call(Method::PUT, "/console/orders").send().await.status, 303);
    });
}

#[test]
fn a_form_for_a_key_that_is_sent_twice_makes_one() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, token) = session(site).await;
        let listed = async || {
            let keys = site.get("/v1/keys?partnerId=other-travel").by(By::Manager).send().await.expect(200);
            keys["items"].as_array().unwrap().len()
        };
        let before = listed().await;
        let send = async |name: &str| {
            let form = site.post("/console/settings/keys").header("cookie", &cookie).header("origin", site.stack.base_url());
            let fields = format!("token={token}&key=one-form&partnerId=other-travel&name={name}");
            form.body("application/x-www-form-urlencoded", fields).send().await
        };
        let (first, again, other) = (send("till").await, send("till").await, send("shop").await);
        assert!(first.status == 200 && first.text().contains("sdk_partner_"), "{}", first.text());
        assert!(again.status == 200 && again.text().contains("The key was made already"), "{}", again.text());
        assert!(!again.text().contains("sdk_partner_"));
        assert_eq!((other.status, listed().await), (422, before + 1), "{}", other.text());
    });
}

#[test]
fn browsers_are_held_to_tls_but_on_this_machine() {
    at_the_desk(async |desk| {
        let here = desk.site.get("/console/sign-in").send().await;
        assert_eq!((here.status, here.header("strict-transport-security")), (200, None));
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "ANY /console/{proxy+}", "rawPath": "/console/sign-in", "rawQueryString": "",
            "headers": {"host": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"}, "isBase64Encoded": false,
            "requestContext": {
                "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "routeKey": "ANY /console/{proxy+}",
                "stage": "$default", "timeEpoch": 1_795_341_600_123_i64, "requestId": "Q1mJwhF2oAMEVxw=",
                "http": {"method": "GET", "path": "/console/sign-in", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.17"},
            },
        });
        let there = desk.site.gateway_event(event).await;
        assert_eq!((there.status, there.header("strict-transport-security")), (200, Some("max-age=31536000")));
    });
}

#[test]
fn what_is_to_be_said_once_is_said_by_the_next_page_whatever_that_is() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, _) = session(site).await;
        let cookies = format!("{cookie}; simdock-flash=U2F2ZWQu");
        let taken = |answer: &Answer| answer.header("set-cookie").is_some_and(|cookie| cookie.starts_with("simdock-flash=; "));
        for (path, status) in [("/console/orders/new", 200), ("/console/orders/EP00000000000000FF", 404), ("/console/none", 404)]
        {
            let page = site.get(path).header("cookie", &cookies).send().await;
            assert_eq!(
                (page.status, page.text().contains("role=\"status\">Saved."), taken(&page)),
                (status, true, true),
                "{path}"
            );
        }
        // What shows no message takes none away.
        for path in ["/console", "/console/orders.csv", "/console/sign-in"] {
            let other = site.get(path).header("cookie", &cookies).send().await;
            assert!(!taken(&other) && !other.text().contains("Saved."), "{path}");
        }
        let part = site.get("/console/orders/new").header("cookie", &cookies).header("hx-request", "true").send().await;
        assert!(!taken(&part));
    });
}

#[test]
fn an_order_that_turned_void_at_once_is_no_success() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, token) = session(site).await;
        let fields = "key=void&partnerId=demo-travel&planId=japan-1gb-8d&payment=balance&count=1&formFactor=esim&channel=admin\
            &subscriber.email=void%40example.com&subscriber.name=Void";
        let form = site.post("/console/orders").header("cookie", &cookie).header("origin", site.stack.base_url());
        let void = form.body("application/x-www-form-urlencoded", format!("token={token}&{fields}")).send().await;
        let flash =
            void.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_else(|| panic!("{}", void.text()));
        let page = site.get("/console/orders").header("cookie", format!("{cookie}; {flash}")).send().await;
        assert!(
            page.text().contains("role=\"alert\">The order was not made: the partner’s balance is too low."),
            "{}",
            page.text()
        );
    });
}

#[test]
fn a_key_that_ended_ends_its_session() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let wanted = serde_json::json!({"role": "manager", "name": "temp"});
        let made = site.post("/v1/keys").by(By::Manager).json(&wanted).send().await.expect(201);
        let cookie = sign_in(site, made["key"].as_str().unwrap())
            .await
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let page = site.get("/console/orders/new").header("cookie", &cookie).send().await;
        assert_eq!(page.status, 200);
        let token = page.text().split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let path = format!("/v1/keys/{}/revocation", made["keyId"].as_str().unwrap());
        site.post(path).by(By::Manager).json(&serde_json::json!({})).send().await.expect(200);
        // The console has just seen the key, and remembers it for a minute.
        site.advance("PT61S").await;
        let note = site
            .post("/console/orders/EP00000000000000FF/note")
            .header("cookie", &cookie)
            .header("origin", site.stack.base_url());
        let answer = note.body("application/x-www-form-urlencoded", format!("token={token}&note=late")).send().await;
        let back = "/console/sign-in?back=%2Fconsole%2Forders%2FEP00000000000000FF&ended=true";
        assert_eq!((answer.status, answer.header("location")), (303, Some(back)));
        assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
        assert!(site.get(back).send().await.text().contains("Your session had ended when you sent the form."));
        // Each form leads back to the page that it is on.
        for (form, page) in [
            ("orders", "orders/new"),
            ("orders/EP00000000000000FF/code", "orders/EP00000000000000FF"),
            ("sims/8934501234567890125/edit", "sims/8934501234567890125"),
            ("inventory/import", "inventory/import"),
            ("inventory/sandbox.1.esim/alarm", "inventory/sandbox.1.esim"),
            ("subscribers/line", "subscribers/line"),
            ("lines/SU0123456789ABCDEF/swap", "lines/SU0123456789ABCDEF"),
            ("settings/plans", "settings/plans/new"),
            ("settings/plans/eu-5gb-30d", "settings/plans/eu-5gb-30d"),
            ("settings/partners", "settings/partners"),
            ("settings/partners/demo-travel/edit", "settings/partners/demo-travel"),
            ("settings/keys", "settings/keys"),
            ("settings/keys/abc/end", "settings/keys"),
            ("columns/sims", "sims"),
        ] {
            let sent = site.post(format!("/console/{form}")).header("origin", site.stack.base_url()).send().await;
            let back = format!("/console/sign-in?back=%2Fconsole%2F{}&ended=true", page.replace('/', "%2F"));
            assert_eq!((sent.status, sent.header("location")), (303, Some(&*back)), "{form}");
        }
        let out = site.post("/console/sign-out").header("origin", site.stack.base_url()).send().await;
        assert_eq!(out.header("location"), Some("/console/sign-in?back=%2Fconsole%2Forders"));
        // Who asks for the address of a form gets its page.
        let (cookie, _) = session(site).await;
        let got = site.get("/console/orders/EP00000000000000FF/ship").header("cookie", cookie).send().await;
        assert_eq!((got.status, got.header("location")), (303, Some("/console/orders/EP00000000000000FF")));
    });
}

#[test]
fn what_is_asked_for_in_place_leads_to_the_door_once_the_session_ended() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let leave = async || {
            let forget = serde_json::json!({"name": "simdock-session", "url": desk.url("/console")});
            browser.web.devtools("Network.deleteCookies", &forget).await.unwrap();
        };
        let mut draft = crate::api::draft("eu-5gb-30d");
        (draft["payment"], draft["subscriber"]["email"]) = ("balance".into(), "door@example.com".into());
        desk.site.settled(&desk.site.order(&draft).await).await;
        desk.open("/console/sims?email=door%40example.com").await;
        leave().await;
        browser.find("details.qr summary").await.click().await.unwrap();
        browser.press("details.qr button").await;
        browser.shows("Your session had ended when you sent the form.").await;
        desk.sign_in_with(&desk.site.stack.keys().manager_key).await;
        assert!(browser.url().await.ends_with("/console/sims?email=door%40example.com"), "{}", browser.url().await);
        desk.open("/console/orders/new").await;
        leave().await;
        browser.find("#create [name=partnerId]").await.click().await.unwrap();
        browser.shows("Sign in with a manager’s key").await;
        desk.sign_in_with(&desk.site.stack.keys().manager_key).await;
        assert!(browser.url().await.ends_with("/console/orders/new"), "{}", browser.url().await);

        // Whoever only reads a page is left there, and no other page than one of the console's is gone back to.
        let site = &desk.site;
        let asked = async |id: &str, from: &str| {
            let call = site.get("/console/badge").header("hx-request", "true").header("hx-trigger", id);
            let answer = call.header("hx-current-url", from).send().await;
            assert_eq!(answer.status, 204);
            answer.header("hx-redirect").map(ToOwned::to_owned)
        };
        for id in ["badge", "now"] {
            assert_eq!(asked(id, &desk.url("/console/orders")).await, None);
        }
        let to = |back: &str| Some(format!("/console/sign-in?back={back}&ended=true"));
        assert_eq!(asked("offer", &desk.url("/console/orders?status=4#x")).await, to("%2Fconsole%2Forders%3Fstatus%3D4"));
        assert_eq!(asked("offer", "nonsense").await, to(""));
    });
}

#[test]
fn a_form_of_a_session_before_leads_back_to_its_page() {
    at_the_desk(async |desk| {
        let (cookie, _) = session(&desk.site).await;
        for (form, page) in [
            ("orders", "orders/new"),
            ("orders/EP00000000000000FF/note", "orders/EP00000000000000FF"),
            ("settings/keys/abc/end", "settings/keys"),
        ] {
            let call = desk.site.post(format!("/console/{form}")).header("cookie", &cookie);
            let call = call.header("origin", desk.site.stack.base_url());
            let answer = call.body("application/x-www-form-urlencoded", "token=old").send().await;
            assert_eq!(answer.status, 403);
            let button = format!("<a class=\"button\" href=\"/console/{page}\">Open the page again</a>");
            assert!(answer.text().contains(&button), "{form}: {}", answer.text());
        }
    });
}

#[test]
fn a_form_that_failed_is_sent_again_as_the_same_request() {
    apart(async || {
        let proxy = Arc::new(OnceLock::new());
        let kept = Arc::clone(&proxy);
        let front = move |engine: &str| kept.get_or_init(|| Proxy::in_front_of(engine)).url().to_owned();
        let options =
            Options { dynamodb_proxy: Some(Arc::new(front)), paused: SOURCES.map(str::to_owned).to_vec(), ..Options::default() };
        let site = Site::with(options).await;
        let proxy = proxy.get().unwrap();
        let (cookie, token) = session(&site).await;
        let send = async |fields: String| {
            let form = site.post("/console/settings/partners").header("cookie", &cookie).header("origin", site.stack.base_url());
            form.body("application/x-www-form-urlencoded", fields).send().await
        };
        let works = Faults { delay: Duration::ZERO, conflicts: false, ..Faults::default() };
        proxy.set(Faults { fail: 1.0, ..works });
        let failed = send(format!("token={token}&key=one-form&partnerId=again-travel&display=Again")).await;
        proxy.set(works);
        let page = failed.text();
        assert!(failed.status == 503 && page.contains("Send it again"), "{} {page}", failed.status);
        let form = page.split("<form method=\"post\" action=\"/console/settings/partners\">").nth(1).unwrap();
        let fields = form.split("</form>").next().unwrap().split("type=\"hidden\" name=\"").skip(1);
        let fields = fields.map(|field| field.split("\">").next().unwrap().replace("\" value=\"", "=")).collect::<Vec<_>>();
        assert!(fields.contains(&"key=one-form".to_owned()), "{fields:?}");
        let done = send(fields.join("&")).await;
        assert_eq!((done.status, done.header("location")), (303, Some("/console/settings/partners/again-travel#main")));
        site.stop().await;
    });
}

#[test]
fn everything_works_without_a_script() {
    if !is_here() {
        return;
    }
    apart(async || {
        let (site, browser) = tokio::join!(Site::start(), Browser::start(false));
        let base = site.stack.base_url().to_owned();
        browser.open(&format!("{base}/console")).await;
        browser.fill("form", "key", &site.stack.keys().manager_key).await;
        browser.press("form button").await;
        browser.open(&format!("{base}/console/orders/new")).await;
        browser.fill("#create", "planId", "eu-5gb-30d").await;
        browser.fill("#create", "subscriber.email", "quiet@example.com").await;
        browser.fill("#create", "subscriber.name", "Quinn").await;
        // The plans of a partner are asked for by a button, and the rest of the form stays as it was.
        assert!(browser.has("#create [name=planId] option[value='nordic-2gb-14d']").await);
        browser.fill("#create", "partnerId", "Demo Travel").await;
        browser.fill("#create", "lineName", "Quiet place").await;
        browser.press("#create button[value=plans]").await;
        assert!(browser.url().await.ends_with("/console/orders") && !browser.has("#create .refused").await);
        assert!(!browser.has("#create [name=planId] option[value='nordic-2gb-14d']").await, "not this partner's");
        for (name, value) in [("planId", "eu-5gb-30d"), ("subscriber.name", "Quinn"), ("lineName", "Quiet place")] {
            assert_eq!(browser.find(&format!("#create [name='{name}']")).await.value().await.unwrap(), value);
        }
        browser.picture("create-without-script-1280").await;
        browser.press("#create > .buttons button").await;
        browser.shows("The order was made and paid.").await;
        // No script told the time in another way.
        assert!(browser.text().await.contains("UTC"));
        let url = browser.url().await;
        let order = serde_json::json!({"orderNum": url.rsplit('/').next().unwrap()});
        site.settled(&order).await;
        browser.open(&url).await;
        browser.press("#cards form button").await;
        browser.shows("LPA:1$").await;
        browser.open(&format!("{base}/console/sims?email=quiet%40example.com")).await;
        browser.find("details.qr summary").await.click().await.unwrap();
        browser.press("details.qr button").await;
        browser.shows("LPA:1$").await;
        assert!(browser.url().await.ends_with("/code") && browser.has("#code img").await);
        browser.open(&url).await;
        browser.send("refund", &[("reason", "no journey")]).await;
        browser.shows("The cards are being revoked").await;
        browser.open(&format!("{base}/console/orders?email=quiet%40example.com")).await;
        browser.shows("Quinn").await;
        browser.stop().await;
        site.stop().await;
    });
}

#[test]
fn a_form_that_is_sent_twice_does_one_thing() {
    at_the_desk(async |desk| {
        let site = &desk.site;
        let (cookie, token) = session(site).await;
        let send = async |path: &str, fields: &str| {
            let form = site.post(path).header("cookie", &cookie).header("origin", site.stack.base_url());
            form.body("application/x-www-form-urlencoded", format!("token={token}&{fields}")).send().await
        };
        // A partner: both lead to it.
        for _ in 0..2 {
            let made = send("/console/settings/partners", "key=one-form&partnerId=twice-travel&display=Twice").await;
            assert_eq!((made.status, made.header("location")), (303, Some("/console/settings/partners/twice-travel#main")));
        }
        let another = send("/console/settings/partners", "key=other-form&partnerId=twice-travel&display=Twice").await;
        assert!(another.status == 422 && another.text().contains("There is a partner with this id already."));
        // A mail, sent again after it went out.
        let (order, _) = desk.line("twice@example.com").await;
        let path = format!("/console/orders/{}/resend_qr", num(&order));
        let mailed = async |count: usize| {
            eventually("the mail", async || (site.mails(&order, "qr").await.len() == count).then_some(())).await;
            site.settled(&order).await
        };
        for (form, mails) in [("form-1", 2), ("form-1", 2), ("form-2", 3), ("form-1", 3)] {
            assert_eq!(send(&path, &format!("key={form}&to=eva%40example.com")).await.status, 303);
            mailed(mails).await;
        }
        let history = site.read(&order).await["history"].clone();
        assert_eq!(history.as_array().unwrap().iter().filter(|entry| entry["event"] == "mail_requested").count(), 2);
    });
}
