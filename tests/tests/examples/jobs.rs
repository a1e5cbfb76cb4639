//! Jobs that wait for room, read from what the program prints.

use test_support::process::{NO_ARGUMENTS, Program, build};

#[test]
fn jobs_wait_for_room_in_their_order_and_hold_up_no_other_tenant() {
    let (status, lines) = Program::start(build("jobs"), NO_ARGUMENTS, &[]).run();
    assert!(status.success());
    let of = |tenant: &str| {
        let lines = lines.iter().filter_map(|line| line.strip_prefix(tenant));
        lines.collect::<Vec<_>>()
    };
    let [news, mail, waits, chat, archive] = of("acme: ")[..] else {
        panic!("{lines:?}");
    };
    let six = |language: &str| [language; 6].join(", ");
    assert_eq!(news, format!("news is done: {}", six("English")));
    assert_eq!(mail, "mail is done: German, German, German, German");
    let wait = waits.strip_prefix("chat waits ").unwrap();
    let millis: u64 = wait.strip_suffix(" ms").unwrap().parse().unwrap();
    assert!((1..=2_000).contains(&millis), "{millis}");
    assert_eq!(chat, format!("chat is done: {}", six("French")));
    assert_eq!(
        archive,
        "archive holds 11 texts, which is more than 10 per 2 seconds: split it"
    );
    assert_eq!(of("zeta: "), ["reviews is done: Spanish, Spanish, Spanish"]);
    let place = |start: &str| lines.iter().position(|line| line.starts_with(start));
    assert!(place("zeta: reviews is done") < place("acme: chat is done"));
}
