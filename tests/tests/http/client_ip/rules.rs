//! Rule by rule.

use super::common::{client, listed, table};
use axum::http::HeaderName;
use limit_runtime::{ForwardedHeader, TrustedProxies, TrustedProxiesError};

#[test]
fn without_trusted_proxies_the_peer_is_the_client() {
    let lines = [
        ("x-forwarded-for", "1.1.1.1"),
        ("forwarded", "for=1.1.1.1"),
        ("x-real-ip", "1.1.1.1"),
        ("cf-connecting-ip", "1.1.1.1"),
    ];
    for peer in ["203.0.113.9", "10.0.0.1", "127.0.0.1", "2001:db8::1"] {
        assert_eq!(client(peer, None, &lines), peer);
    }
}

#[test]
fn headers_of_a_peer_outside_the_list_are_ignored() {
    for (header, value) in [
        (ForwardedHeader::XForwardedFor, "1.1.1.1"),
        (ForwardedHeader::Forwarded, "for=1.1.1.1"),
        (ForwardedHeader::CF_CONNECTING_IP, "1.1.1.1"),
    ] {
        let proxies = listed(header.clone());
        for peer in ["203.0.113.9", "11.0.0.1", "192.0.2.54", "fc00::1"] {
            let lines = [(header.name().as_str(), value)];
            assert_eq!(client(peer, Some(&proxies), &lines), peer);
        }
    }
}

#[test]
fn the_first_hop_from_the_right_that_is_not_trusted_is_the_client() {
    table(
        &listed(ForwardedHeader::XForwardedFor),
        "x-forwarded-for",
        &[
            (&["203.0.113.7"], "203.0.113.7"),
            (&["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            (&["1.1.1.1, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            (&["1.1.1.1,203.0.113.7,192.0.2.53,fd00::1"], "203.0.113.7"),
            (&["10.7.7.7, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ],
    );
}

#[test]
fn all_lines_of_the_header_are_one_list() {
    table(
        &listed(ForwardedHeader::XForwardedFor),
        "X-FORWARDED-FOR",
        &[
            (&["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
            (
                &["1.1.1.1", "2.2.2.2, 203.0.113.7", "10.9.9.9"],
                "203.0.113.7",
            ),
            (
                &["1.1.1.1, 203.0.113.7", "10.8.8.8", "10.9.9.9"],
                "203.0.113.7",
            ),
        ],
    );
}

#[test]
fn where_every_hop_is_trusted_the_farthest_is_the_client() {
    table(
        &listed(ForwardedHeader::XForwardedFor),
        "x-forwarded-for",
        &[
            (&[], "10.0.0.1"),
            (&["10.9.9.9"], "10.9.9.9"),
            (&["10.7.7.7, 10.8.8.8", "10.9.9.9"], "10.7.7.7"),
        ],
    );
}

#[test]
fn an_unreadable_entry_ends_at_the_last_trusted_hop() {
    table(
        &listed(ForwardedHeader::XForwardedFor),
        "x-forwarded-for",
        &[
            (&["1.1.1.1, unknown"], "10.0.0.1"),
            (&["1.1.1.1, unknown, 10.9.9.9"], "10.9.9.9"),
            (&["1.1.1.1, _hidden, 10.9.9.9"], "10.9.9.9"),
            (&["1.1.1.1, "], "10.0.0.1"),
            (&["1.1.1.1,, 10.9.9.9"], "10.9.9.9"),
            (&["1.1.1.1", ""], "10.0.0.1"),
            (&["1.1.1.1 2.2.2.2"], "10.0.0.1"),
            (&["1.1.1.1, 203.0.113.7\u{a0}"], "10.0.0.1"),
        ],
    );
}

#[test]
fn ports_brackets_and_zones_are_dropped() {
    table(
        &listed(ForwardedHeader::XForwardedFor),
        "x-forwarded-for",
        &[
            (&["1.1.1.1, 203.0.113.7:4711"], "203.0.113.7"),
            (&["1.1.1.1, [2001:db8::7]:4711, 10.9.9.9:80"], "2001:db8::7"),
            (&["1.1.1.1, [2001:db8::7], [fd00::1]:80"], "2001:db8::7"),
            (&["1.1.1.1, 2001:db8::7"], "2001:db8::7"),
            (&["1.1.1.1, fe80::7%eth0"], "fe80::7"),
            (&["1.1.1.1, [fe80::7%eth0]:80"], "fe80::7"),
        ],
    );
}

#[test]
fn mapped_addresses_are_ipv4_before_they_are_matched() {
    let proxies = listed(ForwardedHeader::XForwardedFor);
    table(
        &proxies,
        "x-forwarded-for",
        &[
            (&["1.1.1.1, 203.0.113.7, ::ffff:10.9.9.9"], "203.0.113.7"),
            (&["1.1.1.1, [::ffff:203.0.113.7]:80"], "203.0.113.7"),
        ],
    );
    let lines = [("x-forwarded-for", "203.0.113.7")];
    let behind = |peer, proxies| client(peer, Some(proxies), &lines);
    assert_eq!(behind("::ffff:10.0.0.1", &proxies), "203.0.113.7");
    assert_eq!(behind("::ffff:11.0.0.1", &proxies), "11.0.0.1");
    let mapped = TrustedProxies::new(["::ffff:10.0.0.0/104"]).unwrap();
    assert_eq!(behind("10.0.0.1", &mapped), "203.0.113.7");
}

#[test]
fn forwarded_elements_are_read_by_their_grammar() {
    table(
        &listed(ForwardedHeader::Forwarded),
        "forwarded",
        &[
            (&["for=1.1.1.1, for=203.0.113.7"], "203.0.113.7"),
            (&["for=1.1.1.1, FOR=\"203.0.113.7:80\""], "203.0.113.7"),
            (
                &[
                    "for=1.1.1.1",
                    "by=_a;For=\"[2001:db8::7%eth0]:80\";proto=https",
                ],
                "2001:db8::7",
            ),
            (
                &["for=203.0.113.7; proto=http, for=\"[fd00::1]\""],
                "203.0.113.7",
            ),
            (
                &["for=203.0.113.7, for=10.9.9.9;host=\"a;for=x\\\"\""],
                "203.0.113.7",
            ),
            (&["for=1.1.1.1, for=unknown, for=10.9.9.9"], "10.9.9.9"),
            (&["for=1.1.1.1, for=_hidden, for=10.9.9.9"], "10.9.9.9"),
            (&["for=1.1.1.1, for=\"_a:_b\""], "10.0.0.1"),
            (&["for=1.1.1.1, proto=https"], "10.0.0.1"),
            (&["for=1.1.1.1, 203.0.113.7"], "10.0.0.1"),
            (&["for=1.1.1.1, for=203.0.113.7;for=2.2.2.2"], "10.0.0.1"),
            (&["for=1.1.1.1, for=\"203.0.113.\\7\""], "10.0.0.1"),
        ],
    );
}

#[test]
fn a_quote_on_the_left_changes_nothing_on_the_right() {
    table(
        &listed(ForwardedHeader::Forwarded),
        "forwarded",
        &[
            (&["for=\"1.1.1.1, for=203.0.113.7"], "203.0.113.7"),
            (&["for=\"1.1.1.1", "for=203.0.113.7"], "203.0.113.7"),
            (&["for=1.1.1.1;host=\"\\, for=203.0.113.7"], "203.0.113.7"),
            (
                &["for=1.1.1.1;a=\", for=203.0.113.7;b=\"x\""],
                "203.0.113.7",
            ),
        ],
    );
}

#[test]
fn a_host_chosen_by_the_client_is_no_address() {
    table(
        &listed(ForwardedHeader::Forwarded),
        "forwarded",
        &[
            (&["for=203.0.113.7;host=\"x, for=1.1.1.1\""], "10.0.0.1"),
            (
                &["for=203.0.113.7;host=\"x, for=1.1.1.1;a=\\\"\""],
                "10.0.0.1",
            ),
            (
                &["for=203.0.113.7;host=\"x, for=1.1.1.1;a=\";proto=\"https\""],
                "10.0.0.1",
            ),
        ],
    );
}

#[test]
fn a_header_of_one_value_has_one_address() {
    table(
        &listed(ForwardedHeader::CF_CONNECTING_IP),
        "cf-connecting-ip",
        &[
            (&["203.0.113.7"], "203.0.113.7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["10.9.9.9"], "10.9.9.9"),
            (&[], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&["1.1.1.1, 203.0.113.7"], "10.0.0.1"),
            (&["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
            (&["1.1.1.1", "10.9.9.9"], "10.9.9.9"),
            (&["1.1.1.1", "unknown"], "10.0.0.1"),
        ],
    );
}

#[test]
fn only_the_configured_header_is_read() {
    let all = [
        ("x-forwarded-for", "1.1.1.1"),
        ("forwarded", "for=2.2.2.2"),
        ("x-real-ip", "3.3.3.3"),
        ("fly-client-ip", "4.4.4.4"),
    ];
    let expected = ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"];
    for (index, (name, _)) in all.iter().enumerate() {
        let proxies = listed(name.parse().unwrap());
        assert_eq!(client("10.0.0.1", Some(&proxies), &all), expected[index]);
        let mut others = all.to_vec();
        others.remove(index);
        assert_eq!(client("10.0.0.1", Some(&proxies), &others), "10.0.0.1");
    }
}

#[test]
fn a_list_that_was_named_as_a_single_value_is_a_list() {
    let name = HeaderName::from_static("x-forwarded-for");
    table(
        &listed(ForwardedHeader::Single(name)),
        "x-forwarded-for",
        &[(&["1.1.1.1, 203.0.113.7, 10.9.9.9"], "203.0.113.7")],
    );
}

#[test]
fn a_hop_count_counts_from_the_peer() {
    for (count, value, expected) in [
        (0, "1.1.1.1, 2.2.2.2, 3.3.3.3", "10.0.0.1"),
        (1, "1.1.1.1, 2.2.2.2, 3.3.3.3", "3.3.3.3"),
        (2, "1.1.1.1, 2.2.2.2, 3.3.3.3", "2.2.2.2"),
        (3, "1.1.1.1, 2.2.2.2, 3.3.3.3", "1.1.1.1"),
        (4, "1.1.1.1, 2.2.2.2, 3.3.3.3", "1.1.1.1"),
        (255, "1.1.1.1, 2.2.2.2, 3.3.3.3", "1.1.1.1"),
        (2, "3.3.3.3", "3.3.3.3"),
        (2, "1.1.1.1, unknown", "10.0.0.1"),
        (2, "1.1.1.1, unknown, 3.3.3.3", "3.3.3.3"),
        (2, "1.1.1.1, , 3.3.3.3", "3.3.3.3"),
    ] {
        let proxies = TrustedProxies::hops(count);
        table(&proxies, "x-forwarded-for", &[(&[value], expected)]);
    }
    for count in [1, 2, 255] {
        let proxies = TrustedProxies::hops(count).header(ForwardedHeader::X_REAL_IP);
        table(&proxies, "x-real-ip", &[(&["203.0.113.7"], "203.0.113.7")]);
    }
}

#[test]
fn configuration_is_networks_with_commas_between() {
    let proxies: TrustedProxies = " 10.0.0.0/8,192.168.0.0/16 , ::1".parse().unwrap();
    let lines = [("x-forwarded-for", "203.0.113.7")];
    for peer in ["10.0.0.1", "192.168.0.1", "::1"] {
        assert_eq!(client(peer, Some(&proxies), &lines), "203.0.113.7");
    }
    for (text, found) in [
        ("10.0.0.0/8, 192.168.0.0/99", "192.168.0.0/99"),
        ("10.0.0.0/8; 192.168.0.0/16", "10.0.0.0/8; 192.168.0.0/16"),
        ("10.0.0.0/8,", ""),
    ] {
        let error = text.parse::<TrustedProxies>().unwrap_err();
        assert!(matches!(&error, TrustedProxiesError::NotANetwork { .. }));
        assert!(error.to_string().starts_with(&format!("`{found}` is not")));
    }
    for empty in ["", " "] {
        let error = empty.parse::<TrustedProxies>().unwrap_err();
        assert_eq!(error, TrustedProxiesError::Empty);
    }
    let error = TrustedProxies::new(["10.0.0.0/8", "::ffff:0:0/96"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`::ffff:0:0/96` trusts too many addresses: every trusted address can choose the client \
         address that is counted; the widest network allowed in this range is /104; list only the \
         networks of your proxies, or use `TrustedProxies::hops(n)` if their addresses are unknown"
    );
}
