//! The rows. Numbers are those of the rules they hold; letters are variations.

use super::row::{Row, Step, at};
use limit_runtime::{Strategy, store::Action};
use std::{net::IpAddr, num::NonZeroU64, time::Duration};

const MOVING: Strategy = Strategy::MovingWindow;
const FIXED: Strategy = Strategy::FixedWindow;
const SLIDING: Strategy = Strategy::SlidingWindow;
const GCRA: Strategy = Strategy::Gcra {
    burst: NonZeroU64::new(10).unwrap(),
};

/// All rows that a store can be asked; those that need a router or a failing server are elsewhere.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = of_one_strategy();
    rows.extend(of_several_budgets());
    rows.extend(
        [MOVING, FIXED, SLIDING, GCRA]
            .into_iter()
            .flat_map(of_any_strategy),
    );
    rows
}

fn row(name: &'static str, strategy: Strategy, steps: impl IntoIterator<Item = Step>) -> Row {
    Row {
        name,
        strategy,
        steps: steps.into_iter().collect(),
    }
}

fn of_one_strategy() -> Vec<Row> {
    vec![
        row(
            "1: a fixed window",
            FIXED,
            [
                at(0, "10/2s")
                    .gives("10T F")
                    .remaining(0)
                    .reset_after(2_000)
                    .retry_after(2_000),
                at(1_999, "10/2s").gives("F").retry_after(1),
                at(2_000, "10/2s")
                    .gives("T")
                    .remaining(9)
                    .reset_after(2_000),
            ],
        ),
        row(
            "5: the wait is until the oldest hit leaves",
            MOVING,
            [
                at(0, "2/min").gives("T"),
                at(1_000, "2/min").gives("T"),
                at(2_000, "2/min").gives("F").retry_after(58_000),
            ],
        ),
        row(
            "6: hits leave one window after they came",
            MOVING,
            [
                at(10_000, "10/min").gives("T"),
                at(20_000, "10/min").gives("2T"),
                at(30_000, "10/min").gives("4T"),
                at(50_000, "10/min").gives("3T"),
                at(70_000, "10/min").gives("T"),
                at(71_000, "10/min").gives("F"),
            ],
        ),
        row(
            "7: costs are units, each of which counts",
            MOVING,
            [
                at(0, "10/2s").cost(5).gives("T"),
                at(1_900, "10/2s").gives("4T"),
                at(1_900, "10/2s").cost(2).gives("F"),
                at(1_900, "10/2s").gives("T"),
                at(2_010, "10/2s").gives("5T F"),
            ],
        ),
        row(
            "8: windows are half open",
            MOVING,
            [
                at(0, "2/10s").gives("T"),
                at(4_000, "2/10s").gives("T"),
                at(5_000, "2/10s").gives("F"),
                at(9_999, "2/10s").gives("F"),
                at(10_000, "2/10s").action(Action::Peek).gives("T"),
                at(10_000, "2/10s").gives("T"),
                at(10_001, "2/10s").gives("F"),
                at(14_000, "2/10s").gives("T"),
                at(14_001, "2/10s").gives("F"),
                at(20_000, "2/10s").gives("T"),
            ],
        ),
        row(
            "9: no burst at a window's edge",
            MOVING,
            [
                at(0, "10/min").gives("T"),
                at(59_900, "10/min").gives("9T 11F"),
                at(60_000, "10/min").gives("T 19F"),
                at(60_100, "10/min").gives("20F"),
            ],
        ),
        row(
            "10: a fixed window starts at its first hit",
            FIXED,
            [
                at(0, "10/min").gives("T"),
                at(59_900, "10/min").gives("9T 11F"),
                at(60_000, "10/min").gives("10T 10F"),
            ],
        ),
        row(
            "11: a burst, then evenly",
            GCRA,
            [
                at(0, "10/min")
                    .gives("10T 10F")
                    .remaining(0)
                    .reset_after(60_000)
                    .retry_after(6_000),
                at(5_999, "10/min").gives("F").retry_after(1),
                at(6_000, "10/min").gives("T F"),
                at(12_000, "10/min").gives("T F"),
                at(18_000, "10/min").gives("T F"),
                at(24_000, "10/min").gives("T F"),
                at(90_000, "10/min").gives("10T F"),
            ],
        ),
        row(
            "11, with a count that changes: waits hold, and the new count drains what is recorded from then on",
            GCRA,
            [
                at(0, "10/min").gives("10T F").retry_after(6_000),
                at(0, "60/min")
                    .gives("F")
                    .reset_after(60_000)
                    .retry_after(6_000),
                at(5_999, "60/min").gives("F").retry_after(1),
                at(6_000, "60/min")
                    .gives("T F")
                    .reset_after(10_000)
                    .retry_after(1_000),
                at(7_000, "60/min").gives("T F"),
                at(7_500, "10/min").gives("F").retry_after(500),
                at(8_000, "10/min").gives("T F").retry_after(6_000),
            ],
        ),
        row(
            "13a: all limits or none",
            MOVING,
            [
                at(0, "3/minute; 1/second").gives("T 2F"),
                at(1_050, "3/minute; 1/second").gives("T"),
            ],
        ),
        row(
            "13b: all limits or none",
            MOVING,
            [
                at(0, "1/second; 3/minute").gives("T 2F"),
                at(1_050, "1/second; 3/minute").gives("T"),
            ],
        ),
        row(
            "15: the limit that refuses is named",
            MOVING,
            (0..10)
                .map(|second| at(second * 1_000, "2/second; 10 per minute; 20/hour").gives("T"))
                .chain([at(10_000, "2/second; 10 per minute; 20/hour")
                    .gives("F")
                    .remaining(0)
                    .retry_after(50_000)
                    .strictest("10 per minute")]),
        ),
        row(
            "22: a tier that is raised keeps its history",
            MOVING,
            [
                at(0, "20/min").gives("20T F"),
                at(1_000, "100/min").gives("80T F"),
                at(60_000, "20/min").gives("F"),
                at(61_000, "20/min").gives("20T F"),
            ],
        ),
        row(
            "23: the end of a warm-up",
            MOVING,
            [
                at(0, "10/min").gives("10T F"),
                at(30_000, "50/min").gives("40T F").retry_after(30_000),
            ],
        ),
        row(
            "23a: a longer window sees what a shorter one recorded and still holds",
            MOVING,
            [
                at(0, "10/min").gives("10T F"),
                at(59_999, "15/hour").gives("5T F"),
            ],
        ),
        row(
            "limits that differ keep a year and a second apart",
            MOVING,
            [
                at(0, "2/second; 5/year")
                    .gives("2T F")
                    .retry_after(1_000)
                    .strictest("2 per second"),
                at(1_000, "2/second; 5/year")
                    .gives("2T F")
                    .retry_after(1_000),
                at(1_999, "2/second; 5/year").gives("F").retry_after(1),
                at(2_000, "2/second; 5/year")
                    .gives("T F")
                    .retry_after(31_536_000_000 - 2_000),
                at(31_536_000_000, "2/second; 5/year").gives("2T F"),
            ],
        ),
        row(
            "a sliding window fades",
            SLIDING,
            [
                at(0, "10/min")
                    .gives("10T F")
                    .remaining(0)
                    .reset_after(120_000)
                    .retry_after(66_000),
                at(60_000, "10/min").gives("F").retry_after(6_000),
                at(65_999, "10/min").gives("F").retry_after(1),
                at(66_000, "10/min").gives("T F").retry_after(6_000),
                at(90_000, "10/min").gives("4T F"),
                at(150_000, "10/min").gives("7T F"),
            ],
        ),
    ]
}

fn of_several_budgets() -> Vec<Row> {
    let both = |key: &'static str, flipped: bool| {
        if flipped {
            at(0, "50/minute")
                .scope("each")
                .key(key)
                .and("100/minute")
                .scope("all")
                .key(())
        } else {
            at(0, "100/minute")
                .scope("all")
                .key(())
                .and("50/minute")
                .scope("each")
                .key(key)
        }
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let shared = |name, flipped| {
        row(
            name,
            MOVING,
            [
                both("A", flipped).gives("50T 50F"),
                both("B", flipped).gives("50T F"),
                both("C", flipped).gives("F"),
            ],
        )
    };
    vec![
        shared("14a: one budget for all and one for each", false),
        shared("14b: one budget for all and one for each", true),
        row(
            "16: handlers share a scope",
            MOVING,
            [
                at(0, "5/min").scope("shared").gives("5T 5F"),
                at(0, "5/min").scope("shared").gives("F"),
                at(0, "5/min").scope("other").gives("T"),
            ],
        ),
        row(
            "26: parts of a key do not run into each other",
            MOVING,
            [
                at(0, "1/min").key(("a:b", "c")).gives("T"),
                at(0, "1/min").key(("a", "b:c")).gives("T"),
            ],
        ),
        row(
            "27: a mapped address is the address",
            MOVING,
            [
                at(0, "1/min").key(ip("::ffff:192.0.2.1")).gives("T"),
                at(0, "1/min").key(ip("192.0.2.1")).gives("F"),
            ],
        ),
        row(
            "28: IPv6 by /64",
            MOVING,
            [
                at(0, "1/min").key(ip("2001:db8:0:1::1")).gives("T"),
                at(0, "1/min").key(ip("2001:db8:0:1:ffff::2")).gives("F"),
                at(0, "1/min").key(ip("2001:db8:0:2::1")).gives("T"),
            ],
        ),
    ]
}

/// Units that no strategy gives back within the first second of a minute.
fn of_any_strategy(strategy: Strategy) -> Vec<Row> {
    let row = |name, steps: Vec<Step>| row(name, strategy, steps);
    vec![
        row(
            "2: an unused key",
            vec![
                at(0, "10/min")
                    .action(Action::Peek)
                    .gives("T")
                    .remaining(10)
                    .reset_after(0),
            ],
        ),
        row(
            "3: a cost above the count can never fit",
            vec![
                at(0, "10/min")
                    .cost(11)
                    .gives("F")
                    .never_fits()
                    .remaining(10),
                at(0, "10/min")
                    .cost(u32::MAX.into())
                    .gives("F")
                    .never_fits()
                    .remaining(10),
                at(0, "10/min").gives("T").remaining(9),
            ],
        ),
        row(
            "4: what does not fit consumes nothing",
            vec![
                at(0, "10/min").cost(4).gives("2T F").remaining(2),
                at(0, "10/min").cost(2).gives("T").remaining(0),
            ],
        ),
        row(
            "17: costs that do not divide the count",
            vec![at(0, "10/min").cost(3).gives("3T 7F").remaining(1)],
        ),
        row(
            "24: a cost of zero asks whether anything is left",
            vec![
                at(0, "10/min")
                    .cost(0)
                    .gives("20T")
                    .remaining(10)
                    .reset_after(0),
                at(0, "10/min").gives("10T F"),
                at(0, "10/min").cost(0).gives("2F").remaining(0),
            ],
        ),
        row(
            "24a: a peek consumes nothing, and agrees",
            vec![
                at(0, "10/min")
                    .action(Action::Peek)
                    .gives("20T")
                    .remaining(10),
                at(0, "10/min").gives("10T"),
                at(0, "10/min")
                    .action(Action::Peek)
                    .gives("2F")
                    .remaining(0),
                at(0, "10/min")
                    .action(Action::Peek)
                    .cost(11)
                    .gives("F")
                    .never_fits(),
            ],
        ),
        row(
            "25: a clock that steps back frees nobody, and binds nobody for longer",
            vec![
                at(7_200_000, "10/min").gives("10T F"),
                at(7_200_000, "10/min")
                    .step_back(Duration::from_secs(3_600))
                    .gives("F"),
                at(7_200_000 + 120_000, "10/min").gives("10T F"),
            ],
        ),
        row(
            "a refund gives back what was taken",
            vec![
                at(0, "10/min").cost(6).gives("T").refunded().remaining(4),
                at(0, "10/min")
                    .cost(0)
                    .gives("T")
                    .remaining(10)
                    .reset_after(0),
                at(0, "10/min").gives("10T F"),
            ],
        ),
        row(
            "a refund gives back no more than was taken",
            vec![
                at(0, "10/min").cost(4).gives("T"),
                at(1, "10/min").cost(2).gives("T").refunded(),
                at(1, "10/min").cost(6).gives("T"),
                at(1, "10/min").gives("F"),
            ],
        ),
        row(
            "a forced charge may go past the count",
            vec![
                at(0, "10/min").cost(8).gives("T"),
                at(0, "10/min")
                    .cost(8)
                    .action(Action::Force)
                    .gives("F")
                    .remaining(0),
                at(0, "10/min").gives("F"),
                at(120_000, "10/min").gives("10T F"),
            ],
        ),
        row(
            "two charges on one budget see each other",
            vec![
                at(0, "10/min")
                    .cost(6)
                    .and("10/min")
                    .cost(6)
                    .gives("F")
                    .never_fits()
                    .remaining(10),
                at(0, "10/min")
                    .cost(6)
                    .and("10/min")
                    .cost(4)
                    .gives("T")
                    .remaining(0),
                at(0, "10/min").gives("F"),
            ],
        ),
        row(
            "a raised count keeps its history",
            vec![
                at(0, "5/min").cost(5).gives("T"),
                at(0, "10/min").gives("5T F"),
            ],
        ),
    ]
}
