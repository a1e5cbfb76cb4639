//! `direct`, and bodies with words that are the handler's name.

#![deny(warnings)]

use crate::common::{get, third_is_429};
use limit_runtime::{Limited, rate_limit};

struct Model {
    predict: u32,
}

#[rate_limit("2/minute", direct = local_now)]
async fn local() -> String {
    let local = 5;
    local.to_string()
}

#[rate_limit("2/minute", direct = predict_now)]
async fn predict() -> String {
    let model = Model { predict: 5 };
    model.predict.to_string()
}

#[rate_limit("2/minute", direct = word_now)]
async fn word() -> String {
    stringify!(word of a macro).to_owned()
}

#[rate_limit("2/minute", direct = item_now)]
async fn item() -> String {
    fn item() -> u32 {
        5
    }
    item().to_string()
}

#[rate_limit("2/minute", direct = module_now)]
async fn module() -> String {
    mod module {
        pub(super) const VALUE: u32 = 5;
    }
    module::VALUE.to_string()
}

#[rate_limit("2/minute", direct = import_now)]
async fn import() -> String {
    use super::common::get as import;
    import().uri().to_string()
}

#[rate_limit("2/minute", direct = macros_now)]
async fn macros() -> String {
    macro_rules! macros {
        () => {
            5
        };
    }
    macros!().to_string()
}

#[rate_limit("2/minute", direct = inner_now)]
async fn inner() -> String {
    #![allow(unused_variables)]
    #![allow(clippy::let_unit_value)]
    let inner = ();
    String::new()
}

#[rate_limit("2/minute", direct = parameter_now)]
async fn parameter(parameter: http::Method) -> String {
    parameter.to_string()
}

#[rate_limit("2/minute", direct = recursive_now)]
async fn recursive(uri: http::Uri) -> String {
    match uri.path() {
        "/end" => "end".to_owned(),
        _ => Box::pin(recursive(http::Uri::from_static("/end"))).await,
    }
}

#[tokio::test]
async fn a_body_may_use_the_handlers_name_for_anything() {
    assert_eq!(local_now().await, "5");
    assert_eq!(predict_now().await, "5");
    assert_eq!(word_now().await, "word of a macro");
    assert_eq!(item_now().await, "5");
    assert_eq!(module_now().await, "5");
    assert_eq!(import_now().await, "/");
    assert_eq!(macros_now().await, "5");
    assert_eq!(inner_now().await, "");
    assert_eq!(parameter_now(http::Method::PUT).await, "PUT");
    assert_eq!(recursive_now(http::Uri::from_static("/")).await, "end");
    let response = item(Limited::unlimited(())).await;
    assert_eq!(crate::common::text(response).await, "5");
}

#[tokio::test]
async fn all_are_limited() {
    third_is_429(local, get).await;
    third_is_429(predict, get).await;
    third_is_429(word, get).await;
    third_is_429(item, get).await;
    third_is_429(module, get).await;
    third_is_429(import, get).await;
    third_is_429(macros, get).await;
    third_is_429(inner, get).await;
    third_is_429(parameter, get).await;
    third_is_429(recursive, get).await;
}

#[tokio::test]
async fn in_a_function() {
    #[rate_limit("2/minute", direct = handler_now)]
    async fn handler(uri: http::Uri) -> String {
        let handler_of = |uri: &http::Uri| handler(uri.clone());
        match uri.path() {
            "/end" => "end".to_owned(),
            _ => Box::pin(handler_of(&http::Uri::from_static("/end"))).await,
        }
    }
    assert_eq!(handler_now(http::Uri::from_static("/")).await, "end");
    third_is_429(handler, get).await;
}
