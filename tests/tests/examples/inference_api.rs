//! The main job: eleven posts, of which the eleventh is refused.

use crate::api::{Answer, Api};
use serde_json::json;
use test_support::process::{Program, build};

async fn predict(api: &Api) -> Answer {
    let flower = json!({ "features": [5.1, 3.5, 1.4, 0.2] });
    api.post("/predict", &flower).await
}

#[tokio::test]
async fn ten_predictions_a_minute_and_the_eleventh_is_refused() {
    let api = Api::start("inference_api");
    for remaining in (0..10).rev() {
        let answer = predict(&api).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), r#""predict";q=10;w=60"#);
        let state = format!(r#""predict";r={remaining};t=60"#);
        assert_eq!(answer.header("ratelimit"), state);
        assert!(!answer.headers.contains_key("retry-after"));
        assert_eq!(answer.body["species"], "setosa");
        assert!(answer.body["probability"].as_f64().unwrap() > 0.9);
    }
    let refused = predict(&api).await.refused_by(&["predict"], 60);
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(refused.header("ratelimit-policy"), r#""predict";q=10;w=60"#);
    assert_eq!(refused.remaining(), 0);
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    let millis: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert_eq!(millis.div_ceil(1_000), seconds);
    assert_eq!(
        refused.body["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(refused.body["status"], 429);
    assert_eq!(refused.body["detail"], "Rate limit exceeded: 10 per minute");
    assert_eq!(refused.body["error"]["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn each_endpoint_has_its_own_budget_and_model_info_has_none() {
    let api = Api::start("inference_api");
    let flowers =
        json!([{ "features": [6.7, 3.0, 5.2, 2.3] }, { "features": [5.1, 3.5, 1.4, 0.2] }]);
    let batch = || api.post("/batch-predict", &flowers);
    let predictions = batch().await.expect(200);
    assert_eq!(predictions.body[0]["species"], "virginica");
    assert_eq!(predictions.body[1]["species"], "setosa");
    batch().await.expect(200);
    batch().await.expect(429);
    predict(&api).await.expect(200);
    for _ in 0..20 {
        let answer = api.get("/model-info").await.expect(200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
}

#[tokio::test]
async fn it_prints_a_command_to_try_and_stops_on_a_signal() {
    let api = Api::start("inference_api");
    let lines = [
        format!("curl {}/model-info", api.example.url),
        format!("curl -isS {}/predict", api.example.url),
        format!("curl -isS {}/batch-predict", api.example.url),
    ];
    for expected in lines {
        let program = &api.example.program;
        program.wait_for_line(|line| line.contains(&expected).then_some(()));
    }
    predict(&api).await.expect(200);
    let program = api.example.program;
    program.signal("TERM");
    program.wait_for_line(|line| line.starts_with("Stopped").then_some(()));
    assert!(program.wait().success());
}

#[test]
fn it_prints_a_table_of_all_limits() {
    let (status, lines) = Program::start(build("inference_api"), ["--limits"], &[]).run();
    assert!(status.success());
    let [title, batch, single] = lines.as_slice() else {
        panic!("{lines:#?}");
    };
    assert!(title.starts_with("policy "), "{title}");
    let (predict, batch) = match single.starts_with("predict ") {
        true => (single, batch),
        false => (batch, single),
    };
    for part in [
        "10 per minute",
        "client_ip",
        "inference_api::predict (",
        "inference_api.rs:",
    ] {
        assert!(predict.contains(part), "no {part:?} in {predict}");
    }
    assert!(
        batch.starts_with("batch_predict ") && batch.contains("2 per minute"),
        "{batch}"
    );
}
