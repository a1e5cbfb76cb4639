-- Shared helpers of the strategies. Times are in microseconds, unless stated otherwise.
--
-- Numbers in Lua are doubles, which represent integers exactly up to 2^53. All values here are
-- integers below that. Microseconds since 1970 need 51 bits.
local TWO_30, TWO_32 = 1073741824, 4294967296
-- The maximum of counters. It is above the largest count of a limit.
local MAX_USED = 2 ^ 50

-- Integer division, rounded down. `a / b` alone could round up to the next integer.
local function div(a, b)
  return (a - a % b) / b
end

-- Integer division, rounded up.
local function div_up(a, b)
  return div(a + b - 1, b)
end

-- Sets the time to live of a key, in milliseconds.
local function set_ttl(key, ms)
  call('PEXPIRE', key, ms)
end

-- The time to live of a key, in milliseconds: -1 if the key does not expire, -2 if there is no key.
local function get_ttl(key)
  return call('PTTL', key)
end

-- The quotient and remainder of (a * b + plus) / c. If the product is 2^53 or more, this is a long
-- division, digit by digit. Requires a and the quotient < 2^53, and b, c and plus <= 2^50. A larger
-- quotient is rounded.
local function mul_div(a, b, c, plus)
  plus = plus or 0
  if a * b + plus < 2 ^ 53 then
    local product = a * b + plus
    return div(product, c), product % c
  end
  -- The base of the digits: the largest one with which rest * digit + high * b stays exact.
  local digit, place = 65536, 2 ^ 48
  if (b + c) * digit > 2 ^ 53 then
    digit, place = 16, 2 ^ 52
  end
  if (b + c) * digit > 2 ^ 53 then
    digit = 4
  end
  local quotient, rest = 0, 0
  while place >= 1 do
    local high = div(a, place)
    a = a % place
    local part = rest * digit + high * b
    quotient = quotient * digit + div(part, c)
    rest = part % c
    place = place / digit
  end
  return quotient + div(rest + plus, c), (rest + plus) % c
end

-- The strategies, by the index that Rust sends. Each is a table of functions:
--   open(key, window, count): reads the state of a budget at time `now`
--   assess(state, count, wanted, burst): what remains, the time until all of it is available, and
--     the time until `wanted` units fit (0 if they fit now, -1 if they never do)
--   record(state, cost, count): consumes `cost` units, and saves the state
--   reset_after(state): the time until all is available again, once something was recorded
--   next_after(state, count, burst): the time until more remains, or 0 if nothing is used
--   refund(key, window, cost, at, count): gives back up to `cost` units that were consumed at `at`
local strategies = {}
