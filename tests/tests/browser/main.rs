//! The page of the dashboard in headless Chromium, against a running app under load.
//!
//! `./test --browser` runs it, and installs Chromium first where it is missing. With
//! `SCREENSHOTS=folder` it also writes the image in docs/, as base64.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod app;
mod driver;

use app::App;
use driver::Browser;
use serde_json::Value;
use std::sync::atomic::Ordering;

/// Compares what the page shows of each policy with `stats.json`; returns the differences.
const COMPARE: &str = r"
    const stats = await (await fetch('/limits/stats.json')).json();
    const plain = node => node.textContent.replaceAll(',', '');
    const wrong = [];
    const check = (what, shown, expected) => {
        if (String(shown) !== String(expected)) wrong.push(`${what}: ${shown}, not ${expected}`);
    };
    const of = id => plain(document.getElementById(id));
    check('total', of('total'), stats.totals.total);
    check('limited', of('limited'), stats.totals.limited);
    check('keys', of('keys'), stats.usage.keys);
    check('store', of('store'), stats.store.store);
    check('rows', document.querySelectorAll('#rows tr').length, stats.policies.length);
    for (const policy of stats.policies) {
        const rows = [...document.querySelectorAll('#rows tr')];
        const row = rows.find(row => row.dataset.policy === policy.policy);
        const part = name => row.querySelector(name), n = policy.requests;
        check(policy.policy, part('th b').textContent, policy.policy);
        check('limits', part('.limits').textContent, policy.limits);
        check('requests', plain(part('.total')), n.total);
        check('allowed', plain(part('.allowed-count')), n.allowed);
        check('limited', parseInt(plain(part('.limited-count'))),
            policy.is_dry_run ? n.would_limit : n.limited + n.exceeds_capacity);
        check('dry run', !part('.badge').hidden, policy.is_dry_run);
        const keys = [...row.querySelectorAll('.busiest li')];
        check('keys', keys.map(key => plain(key.firstChild)), policy.busiest.map(busy => busy.key));
        check('counts', keys.map(key => parseInt(plain(key.lastChild))),
            policy.busiest.map(busy => busy.limited));
        const used = policy.utilization_percent;
        const near = used.buckets.filter(b => b.le > 90).reduce((sum, b) => sum + b.count, 0);
        const share = used.count ? 100 * near / used.count : 0;
        if (used.count) {
            const shown = parseFloat(plain(part('.near')).replace('< ', ''));
            if (Math.abs(shown - share) > 0.1) wrong.push(`near: ${shown}, not ${share}`);
        }
        const nanos = text => parseFloat(text.slice(4)) *
            (text.endsWith('ns') ? 1 : text.endsWith('µs') ? 1e3 : 1e6);
        for (const quantile of ['p50', 'p99']) {
            const time = policy.check_time_ns[quantile], shown = plain(part('.' + quantile));
            if (time === null) check(quantile, shown, quantile + ' –');
            else if (Math.abs(nanos(shown) / time - 1) > 0.06) wrong.push(`${shown}, not ${time}`);
        }
    }
    return wrong;";

/// Texts with too little contrast (WCAG 2.2, 1.4.3), and whether the page is wider than the window.
const LAYOUT: &str = r"
    const wrong = [];
    const luminance = color => {
        const [r, g, b] = color.match(/[\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const back = node => {
        for (; node; node = node.parentElement) {
            const color = getComputedStyle(node).backgroundColor;
            if (color !== 'rgba(0, 0, 0, 0)') return color;
        }
        return 'rgb(255, 255, 255)';
    };
    for (const node of document.querySelectorAll('body *')) {
        const text = [...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!text || !node.getClientRects().length || node.closest('script, :disabled')) continue;
        const [a, b] = [luminance(getComputedStyle(node).color), luminance(back(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) wrong.push(`${node.tagName} ${node.className}: ${contrast}`);
    }
    const width = document.documentElement.scrollWidth;
    if (width > innerWidth) wrong.push(`${width} px wide in ${innerWidth} px`);
    for (const input of document.querySelectorAll('input, select, output')) {
        if (!input.labels.length && !input.htmlFor) wrong.push(input.id + ' has no label');
    }
    return wrong;";

fn none() -> Value {
    Value::Array(Vec::new())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: `./test --browser`"]
async fn the_page_shows_the_numbers_of_the_limiter() {
    let screenshots = std::env::var("SCREENSHOTS");
    // An image needs no name of this kind.
    let markup = "<img src=x onerror=alert(1)><i>";
    let app = App::start(if screenshots.is_ok() { "app" } else { markup }).await;
    let browser = Browser::start().await;
    // The tab that the browser opens by itself is no part of the page.
    browser.open("about:blank").await;
    browser.requested().await;
    browser.open(&app.url("/limits")).await;
    app.load(400).await;
    // Two polls under load, so that there are rates.
    browser
        .wait_until("document.querySelectorAll('polyline[points*=\" \"]').length > 2")
        .await;
    app.load(100).await;
    let total = app.limiter.stats().totals.total;
    let shown =
        format!("document.getElementById('total').textContent.replaceAll(',', '') === '{total}'");
    browser.wait_until(&shown).await;
    assert_eq!(browser.run(COMPARE).await, none());
    // The name of a policy is text, whatever it contains.
    let markup = browser
        .run("return document.querySelectorAll('main img, main i').length")
        .await;
    assert_eq!(markup, 0);
    // The dry rule follows the live one of its handler.
    let order = "return [...document.querySelectorAll('#rows tr')].map(row => row.dataset.policy)";
    let order = browser.run(order).await;
    let order: Vec<_> = order
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let live = order.iter().position(|name| *name == "predict").unwrap();
    assert_eq!(order[live + 1], "predict-trial", "{order:?}");

    if screenshots.is_ok() {
        for round in 0..250 {
            app.load(40 + 30 * (round % 5)).await;
        }
    }
    for (width, height) in [(1280, 1160), (360, 1900)] {
        for scheme in ["light", "dark"] {
            browser.set_view(width, height, scheme).await;
            assert_eq!(browser.run(LAYOUT).await, none(), "{width} px, {scheme}");
            if let Ok(folder) = &screenshots {
                let path = format!("{folder}/dashboard-{width}-{scheme}.b64");
                std::fs::write(path, browser.screenshot().await).unwrap();
            }
        }
    }

    // A key is looked up and cleared with the keyboard's form.
    let look_up = "
        document.getElementById('policy').value = 'predict';
        document.getElementById('policy').dispatchEvent(new Event('change'));
        document.getElementById('key').value = '127.0.0.1';
        document.getElementById('form').requestSubmit();
        const answer = document.getElementById('answer');
        while (!answer.textContent) await new Promise(next => setTimeout(next, 20));
        return answer.textContent";
    let answer = browser.run(look_up).await;
    let answer = answer.as_str().unwrap();
    assert!(answer.contains("10 per minute: 0 of 10 left"), "{answer}");
    // Nothing is cleared without a confirmation.
    let asked = "
        let asked = '';
        window.confirm = text => { asked = text; return false; };
        document.getElementById('clear').click();
        window.confirm = () => true;
        return asked";
    assert_eq!(
        browser.run(asked).await,
        "Clear what this key has used of predict?"
    );
    let shown = browser
        .run("return document.getElementById('answer').textContent")
        .await;
    assert!(!shown.as_str().unwrap().contains("Cleared"), "{shown}");
    let clear = "
        document.getElementById('clear').click();
        const answer = document.getElementById('answer');
        while (!answer.textContent.includes('Cleared')) await new Promise(next => setTimeout(next, 20));
        return answer.textContent";
    let answer = browser.run(clear).await;
    assert!(
        answer.as_str().unwrap().contains("10 of 10 left"),
        "{answer}"
    );

    // One route of a policy with a budget for each.
    let of_route = "
        const field = id => document.getElementById(id), answer = field('answer');
        field('policy').value = 'rerank';
        field('policy').dispatchEvent(new Event('change'));
        const offered = [...document.querySelectorAll('#routes option')].map(o => o.value);
        field('route').value = offered.join();
        answer.textContent = '';
        field('form').requestSubmit();
        while (!answer.textContent) await new Promise(next => setTimeout(next, 20));
        return answer.textContent";
    let answer = browser.run(of_route).await;
    let answer = answer.as_str().unwrap();
    assert!(answer.contains("/rerank: 500 per minute: "), "{answer}");

    // A policy that goes live shows the counter of the other mode apart, and its curve begins anew.
    app.limiter.set_dry_run("predict-trial", false).unwrap();
    browser
        .wait_until(
            "rows.get('predict-trial').others.textContent.endsWith(' would be limited in dry run')",
        )
        .await;
    let curve = "return Math.max(...rows.get('predict-trial').limitedLine.values, 0)";
    assert_eq!(browser.run(curve).await, 0);
    assert_eq!(browser.run(COMPARE).await, none());

    let console = browser.console().await;
    assert!(console.is_empty(), "{console:?}");
    let requested = browser.requested().await;
    let origin = app.url("/");
    assert!(
        requested.iter().any(|url| url.ends_with("stats.json")),
        "{requested:?}"
    );
    for url in requested {
        let is_own = url.starts_with(&origin) || url.starts_with("data:");
        assert!(is_own && !url.contains("127.0.0.1?"), "{url}");
    }

    // A login that has expired answers with an empty body.
    app.is_login_expired.store(true, Ordering::Relaxed);
    let refused = "
        const answer = document.getElementById('answer');
        answer.textContent = '';
        document.getElementById('form').requestSubmit();
        while (!answer.textContent) await new Promise(next => setTimeout(next, 20));
        return answer.textContent";
    let expected = "Not authorised (status 401). Log in again.";
    assert_eq!(browser.run(refused).await, expected);
    let status = "document.getElementById('status').textContent.startsWith";
    browser.wait_until(&format!("{status}('{expected}')")).await;
    app.is_login_expired.store(false, Ordering::Relaxed);
    browser.wait_until(&format!("{status}('Live')")).await;

    // A server that is gone is said to be.
    app.stop();
    browser
        .wait_until(&format!("{status}('The server does not answer.')"))
        .await;
    browser.quit().await;
}
