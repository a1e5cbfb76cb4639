-- Lua has one kind of number, which holds whole numbers exactly up to 2^53. Every value here is
-- whole and stays below that: microseconds since 1970 need 51 bits.
local call = redis.call
local pack, unpack_ = struct.pack, struct.unpack
local TWO_30, TWO_32 = 1073741824, 4294967296
-- What counters go up to: more than any limit allows.
local MAX_USED = 2 ^ 50

-- Whole quotients: `a / b` alone could round up to the next whole number.
local function div(a, b)
  return (a - a % b) / b
end

local function div_up(a, b)
  return div(a + b - 1, b)
end

-- The quotient and remainder of (a * b + plus) / c, digit by digit because the product may not fit.
-- a and the quotient < 2^53; b, c and plus <= 2^50. A quotient beyond that is rounded.
local function mul_div(a, b, c, plus)
  plus = plus or 0
  if a * b + plus < 2 ^ 53 then
    local product = a * b + plus
    return div(product, c), product % c
  end
  -- The largest digits for which rest * digit + high * b is exact.
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

-- One table for each strategy: open, assess, record, consumed, next_after, refund.
local strategies = {}
