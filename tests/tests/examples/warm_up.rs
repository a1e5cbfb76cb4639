//! A fifth of the limit until the model is warm.

use crate::api::{Answer, Api};
use serde_json::{Value, json};

async fn ask(api: &Api) -> Answer {
    let text = json!({ "text": "derechos y dignidad" });
    api.post("/language", &text).await
}

#[tokio::test]
async fn the_end_of_the_warm_up_frees_the_rest_of_the_limit() {
    let api = Api::start("warm_up");
    for remaining in (0..10).rev() {
        let answer = ask(&api).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), r#""language";q=10;w=60"#);
        assert_eq!(answer.remaining(), remaining);
        assert_eq!(answer.body, json!({ "language": "Spanish" }));
    }
    ask(&api).await.refused_by(&["language"], 60);
    api.post("/warm-up", &Value::Null).await.expect(204);
    for remaining in (0..40).rev() {
        let answer = ask(&api).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), r#""language";q=50;w=60"#);
        assert_eq!(answer.remaining(), remaining);
        assert_eq!(answer.body, json!({ "language": "Spanish" }));
    }
    ask(&api).await.refused_by(&["language"], 60);
    // To warm up again changes nothing.
    api.post("/warm-up", &Value::Null).await.expect(204);
    ask(&api).await.refused_by(&["language"], 60);
}
