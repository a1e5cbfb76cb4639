//! What the program shows of its limits.

use crate::api::Api;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn refusals_are_in_json_in_prometheus_and_in_the_log() {
    let api = Api::start("monitoring");
    let text = json!({ "text": "Guten Tag, ich habe eine Frage." });
    for n in 0..12 {
        let status = if n < 10 { 200 } else { 429 };
        let answer = api.post("/predict", &text).await.expect(status);
        if status == 200 {
            assert_eq!(answer.body["language"], "German");
        }
    }
    let texts = json!([{ "text": "Tous les hommes sont égaux." }]);
    let answer = api.post("/batch-predict", &texts).await.expect(200);
    assert_eq!(answer.body[0]["language"], "French");
    let metrics = api.get("/metrics").await.expect(200);
    let expected = json!({
        "total_requests": 13,
        "limited_requests": 2,
        "endpoints": {
            "/predict": { "total": 12, "limited": 2 },
            "/batch-predict": { "total": 1, "limited": 0 },
        },
    });
    assert_eq!(metrics.body, expected);

    let text = api
        .request(Method::GET, "/prometheus")
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    for line in [
        r#"rate_limit_requests_total{policy="predict",route="/predict",outcome="allowed"} 10"#,
        r#"rate_limit_requests_total{policy="predict",route="/predict",outcome="limited"} 2"#,
        r#"rate_limit_units_total{policy="batch_predict",kind="charged"} 1"#,
        r#"rate_limit_utilization_bucket{policy="predict",le="0.5"} 5"#,
        r#"rate_limit_limit{policy="batch_predict",window="minute"} 2"#,
        "rate_limit_keys 2",
        "rate_limit_store_up 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "no {line} in {text}"
        );
    }
    assert!(!text.contains("127.0.0.1"), "{text}");

    let page = api.request(Method::GET, "/limits").send().await.unwrap();
    assert!(page.status().is_success());
    let page = page.text().await.unwrap();
    assert!(page.contains("<html"), "{page}");
    let stats = api.get("/limits/stats.json").await.expect(200);
    assert_eq!(stats.body["totals"], json!({ "total": 13, "limited": 2 }));

    let is_warning = |line: &str| {
        // The line of the limiter itself would say the same again.
        assert!(!line.contains("INFO"), "{line}");
        let parts = ["WARN", "rate limit breached: limited", "predict"];
        parts.iter().all(|part| line.contains(part)).then_some(())
    };
    api.example.program.wait_for_line(is_warning);
    api.example.program.wait_for_line(is_warning);
}
