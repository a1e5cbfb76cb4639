-- The generic cell rate algorithm: a bucket of `burst` units that drains at `count` per window.
--
-- A unit weighs one window, and each microsecond drains `count`, so that nothing is ever rounded.
-- What the bucket holds is written as the time that it takes to drain: `ahead` whole microseconds
-- and `part` count-ths of one. In a string: (written, empty, part, count), in which `empty` is when
-- the bucket will be. A changed count keeps what is in it, and drains it at the new rate once
-- something is recorded.
local gcra = {}
strategies[4] = gcra

function gcra.open(key, window, count)
  ripe(key)
  local state = { key = key, window = window, count = count, ahead = 0, part = 0 }
  local packed = call('GET', key)
  if not packed then
    return state
  end
  local written, empty, part, its_count = unpack_('>I8I8I8I8', packed)
  -- If the clock went back, what it went back by is no time to wait.
  local ahead = empty - math.max(written, now)
  if ahead >= 0 then
    state.count, state.ahead, state.part = its_count, ahead, part
  end
  return state
end

-- No bucket takes longer to drain, even after forced charges: whole numbers are exact up to here.
local MAX_AHEAD = 2 ^ 52

-- From now on, it drains at the rate of another count.
local function drain_by(state, count)
  if state.count ~= count then
    state.ahead, state.part = mul_div(state.ahead, state.count, count, state.part)
    state.ahead = math.min(state.ahead, MAX_AHEAD)
    state.count = count
  end
end

-- The time until the bucket is empty.
function gcra.consumed(state)
  return state.ahead + (state.part > 0 and 1 or 0)
end

local function save_gcra(state)
  local empty = math.min(now + state.ahead, MAX_AHEAD)
  call('SET', state.key, pack('>I8I8I8I8', now, empty, state.part, state.count))
  keep(state.key, div_up(empty + 1 - now, 1000) + 1)
end

-- In microseconds (71 years): no bucket holds more than drains within this, so that `empty` can be kept.
local LONGEST = 2 ^ 51

local function capacity(state, count, burst)
  return math.min(burst, (mul_div(LONGEST, count, state.window)))
end

local function used_of(state)
  local whole, rest = mul_div(state.ahead, state.count, state.window, state.part)
  return whole + (rest > 0 and 1 or 0)
end

-- The time until the bucket holds no more than `target` units, which it is above now.
local function drains_to(state, target)
  local ahead, part = mul_div(state.window, target, state.count)
  return state.ahead - ahead + (state.part > part and 1 or 0)
end

function gcra.assess(state, count, wanted, burst)
  burst = capacity(state, count, burst)
  local used = used_of(state)
  local reset = gcra.consumed(state)
  if used + wanted <= burst then
    return burst - used, reset, 0
  end
  local remaining = math.max(burst - used, 0)
  if wanted > burst then
    return remaining, reset, -1
  end
  local ttl = left(state.key)
  if ttl == -1 or ttl > div_up(reset + 1, 1000) + 2 then
    save_gcra(state)
  end
  return remaining, reset, drains_to(state, burst - wanted)
end

-- The time until more of `burst` remains; 0 if all of it does.
function gcra.next_after(state, count, burst)
  local used = used_of(state)
  if used == 0 then
    return 0
  end
  return drains_to(state, math.min(used, capacity(state, count, burst)) - 1)
end

function gcra.record(state, cost, count)
  drain_by(state, count)
  local ahead, part = mul_div(state.window, cost, count)
  state.ahead, state.part = math.min(state.ahead + ahead, MAX_AHEAD), state.part + part
  if state.part >= count then
    state.ahead, state.part = state.ahead + 1, state.part - count
  end
  save_gcra(state)
end

-- Gives back what has not drained yet of what was consumed at `at`.
function gcra.refund(key, window, cost, at, count)
  local state = gcra.open(key, window, count)
  if gcra.consumed(state) == 0 then
    return
  end
  -- What is left drains as before, at the rate of the state's own count.
  local ahead, part = mul_div(window, cost, state.count)
  local drained, drained_part = mul_div(math.max(now - at, 0), count, state.count)
  ahead, part = ahead - drained, part - drained_part
  if part < 0 then
    ahead, part = ahead - 1, part + state.count
  end
  if ahead < 0 then
    return
  end
  state.ahead, state.part = state.ahead - ahead, state.part - part
  if state.part < 0 then
    state.ahead, state.part = state.ahead - 1, state.part + state.count
  end
  if state.ahead < 0 then
    state.ahead, state.part = 0, 0
  end
  save_gcra(state)
end
