// A `Reservation` without one cost to settle, and options about estimates where there is none.

use limit_macros::rate_limit;

#[rate_limit("10/minute")]
async fn without_cost(reservation: Reservation) {}

#[rate_limit("10/minute", cost = 1)]
async fn with_the_cost_of_every_request(reservation: limit_runtime::Reservation) {}

#[rate_limit("10/minute", name = "requests", cost = 2)]
#[rate_limit("1_000/minute", name = "tokens", cost = 100)]
async fn with_two_costs(reservation: Reservation) {}

#[rate_limit("1_000/minute", cost = 100, count_when = counts)]
async fn counted_twice(reservation: Reservation) {}

#[rate_limit("10/minute", on_unknown = release, cap_cost = 5)]
async fn options_without_cost() {}

#[rate_limit("1_000/minute", cost = 100, on_unknown = "keep", cap_cost = 0)]
async fn values(reservation: Reservation) {}

#[rate_limit("1_000/minute", cost = 100, on_unknown = relase, cap_cost = "150%")]
async fn other_values(reservation: Reservation) {}

#[rate_limit("1_000/minute", cost = 100, cap_cost = half())]
async fn computed(reservation: Reservation) {}

fn main() {}
