//! Two processes of one API on one store.

use crate::api::Api;
use test_support::{memcached_server::Memcached, servers::Server};

const PREDICT: &str = "/predict?text=in+a+spirit";

fn two(url: &str) -> [Api; 2] {
    [(); 2].map(|()| Api::start_with("distributed", &[("STORE_URL", url)]))
}

#[tokio::test]
async fn two_processes_share_ten_a_minute() {
    let (redis, memcached) = (Server::redis(), Memcached::start());
    for url in [redis.url(), memcached.url()] {
        let apis = two(&url);
        for n in 0..11 {
            let answer = apis[n % 2].get(PREDICT).await;
            if n < 10 {
                let remaining = u32::try_from(9 - n).unwrap();
                assert_eq!(answer.expect(200).remaining(), remaining);
            } else {
                answer.refused_by(&["predict"], 60);
            }
        }
    }
}

#[tokio::test]
async fn requests_are_still_limited_while_redis_is_down() {
    let redis = Server::redis();
    requests_are_still_limited(&redis.url(), || redis.kill(), || redis.restart()).await;
}

#[tokio::test]
async fn requests_are_still_limited_while_memcached_is_down() {
    let memcached = Memcached::start();
    let (kill, restart) = (|| memcached.kill(), || memcached.restart());
    requests_are_still_limited(&memcached.url(), kill, restart).await;
}

async fn requests_are_still_limited(url: &str, kill: impl FnOnce(), restart: impl FnOnce()) {
    let apis = two(url);
    for n in 0..4 {
        apis[n % 2].get(PREDICT).await.expect(200);
    }
    kill();
    // Each goes on with the two that it has counted itself.
    for api in &apis {
        for n in 0..9 {
            let answer = api.get(PREDICT).await;
            if n < 8 {
                answer.expect(200);
            } else {
                answer.refused_by(&["predict"], 60);
            }
        }
    }
    // But for what must not be counted wrong.
    let answer = apis[0].get("/invoice?text=in+a+spirit").await.expect(503);
    assert_eq!(answer.header("retry-after"), "1");
    restart();
    for api in &apis {
        api.get(PREDICT).await.expect(429);
    }
}
