//! The main job: eleven posts, of which the eleventh is refused.

use reqwest::{Client, Response, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use workspace_tests::process::Example;

async fn predict(client: &Client, api: &Example) -> Response {
    let flower = json!({ "features": [5.1, 3.5, 1.4, 0.2] });
    let request = client.post(format!("{}/predict", api.url)).json(&flower);
    request.send().await.unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn ten_predictions_a_minute_and_the_eleventh_is_refused() {
    let api = Example::start("inference_api");
    let client = Client::new();
    for remaining in (0..10).rev() {
        let response = predict(&client, &api).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(text(headers, "ratelimit-policy"), r#""predict";q=10;w=60"#);
        let state = format!(r#""predict";r={remaining};t=60"#);
        assert_eq!(text(headers, "ratelimit"), state);
        assert!(!headers.contains_key("retry-after"));
        let prediction: Value = response.json().await.unwrap();
        assert_eq!(prediction["species"], "setosa");
        assert!(prediction["probability"].as_f64().unwrap() > 0.9);
    }
    let refused = predict(&client, &api).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let headers = refused.headers();
    assert_eq!(text(headers, "content-type"), "application/problem+json");
    assert_eq!(text(headers, "cache-control"), "no-store");
    assert_eq!(text(headers, "ratelimit-policy"), r#""predict";q=10;w=60"#);
    assert!(text(headers, "ratelimit").starts_with(r#""predict";r=0;t="#));
    let seconds: u64 = text(headers, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let millis: u64 = text(headers, "retry-after-ms").parse().unwrap();
    assert_eq!(millis.div_ceil(1_000), seconds);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["detail"], "Rate limit exceeded: 10 per 1 minute");
    assert_eq!(problem["violated-policies"], json!(["predict"]));
    assert_eq!(problem["error"]["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn each_endpoint_has_its_own_budget_and_model_info_has_none() {
    let api = Example::start("inference_api");
    let client = Client::new();
    let batch = || async {
        let flowers =
            json!([{ "features": [6.7, 3.0, 5.2, 2.3] }, { "features": [5.1, 3.5, 1.4, 0.2] }]);
        let url = format!("{}/batch-predict", api.url);
        client.post(url).json(&flowers).send().await.unwrap()
    };
    let predictions: Value = batch().await.json().await.unwrap();
    assert_eq!(predictions[0]["species"], "virginica");
    assert_eq!(predictions[1]["species"], "setosa");
    assert_eq!(batch().await.status(), StatusCode::OK);
    assert_eq!(batch().await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(predict(&client, &api).await.status(), StatusCode::OK);
    for _ in 0..20 {
        let url = format!("{}/model-info", api.url);
        let response = client.get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("ratelimit"));
    }
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let api = Example::start("inference_api");
    assert_eq!(predict(&Client::new(), &api).await.status(), StatusCode::OK);
    api.program.signal("TERM");
    api.program
        .wait_for_line(|line| line.starts_with("Stopped").then_some(()));
    assert!(api.program.wait().success());
}
