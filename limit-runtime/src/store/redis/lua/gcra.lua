-- The generic cell rate algorithm (GCRA): a bucket of `burst` units that drains at `count` units
-- per window.
--
-- The level of the bucket is stored as the time that it takes to drain: `ahead` microseconds plus
-- `part`/count of a microsecond. A unit takes window/count microseconds, so this is never rounded.
--
-- A key holds a string of (written, empty, part, count): the time of the last change, and the time
-- at which the bucket will be empty, without `part`. If the count of the limit changes, the bucket
-- keeps its units. It drains at the old rate until the next hit is recorded.
local gcra = {}
strategies[4] = gcra

function gcra.open(key, window, count)
  local state = { key = key, window = window, count = count, ahead = 0, part = 0 }
  local packed = call('GET', key)
  if not packed then
    return state
  end
  -- Values of 24 bytes are of a version with counts of 32 bits.
  local format = #packed == 24 and '>I8I8I4I4' or '>I8I8I8I8'
  local written, empty, part, stored_count = unpack_(format, packed)
  -- If the clock stepped back, `now` is before `written`. The step must not lengthen the wait.
  local ahead = empty - math.max(written, now)
  if ahead >= 0 then
    state.count, state.ahead, state.part = stored_count, ahead, part
  end
  return state
end

-- The maximum of `ahead` and `empty`, also after forced charges. Integers are exact up to here.
local MAX_AHEAD = 2 ^ 52

-- Converts the state to another count. From now on, it drains at that rate.
local function change_count(state, count)
  if state.count ~= count then
    state.ahead, state.part = mul_div(state.ahead, state.count, count, state.part)
    state.ahead = math.min(state.ahead, MAX_AHEAD)
    state.count = count
  end
end

-- The time until the bucket is empty.
function gcra.reset_after(state)
  return state.ahead + (state.part > 0 and 1 or 0)
end

local function save_gcra(state)
  local empty = math.min(now + state.ahead, MAX_AHEAD)
  call('SET', state.key, pack('>I8I8I8I8', now, empty, state.part, state.count))
  set_ttl(state.key, div_up(empty + 1 - now, 1000) + 1)
end

-- The units in the bucket, rounded up.
local function used_units(state)
  local whole, rest = mul_div(state.ahead, state.count, state.window, state.part)
  return whole + (rest > 0 and 1 or 0)
end

-- The time until the bucket holds at most `target` units. Requires that it holds more now.
local function time_to_drain_to(state, target)
  local ahead, part = mul_div(state.window, target, state.count)
  return state.ahead - ahead + (state.part > part and 1 or 0)
end

function gcra.assess(state, count, wanted, burst)
  local used = used_units(state)
  local reset = gcra.reset_after(state)
  if used + wanted <= burst then
    return burst - used, reset, 0
  end
  local remaining = math.max(burst - used, 0)
  if wanted > burst then
    return remaining, reset, -1
  end
  -- Repairs a time to live that is missing, or too long after the clock stepped back.
  local ttl = get_ttl(state.key)
  if ttl == -1 or ttl > div_up(reset + 1, 1000) + 2 then
    save_gcra(state)
  end
  return remaining, reset, time_to_drain_to(state, burst - wanted)
end

function gcra.next_after(state, _, burst)
  local used = used_units(state)
  if used == 0 then
    return 0
  end
  return time_to_drain_to(state, math.min(used, burst) - 1)
end

function gcra.record(state, cost, count)
  change_count(state, count)
  local ahead, part = mul_div(state.window, cost, count)
  state.ahead, state.part = math.min(state.ahead + ahead, MAX_AHEAD), state.part + part
  if state.part >= count then
    state.ahead, state.part = state.ahead + 1, state.part - count
  end
  save_gcra(state)
end

-- Gives back only the part that has not drained since `at`.
function gcra.refund(key, window, cost, at, count)
  local state = gcra.open(key, window, count)
  if gcra.reset_after(state) == 0 then
    return
  end
  -- The bucket keeps draining at the rate of the stored count.
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
