-- The sliding window counter. A key holds a string of (start, previous, current): the start of the
-- current window, and the units of the previous and the current one. Windows follow each other from
-- the first hit on. The previous window counts in proportion to how much of it is less than one
-- window ago, rounded up.
local sliding = {}
strategies[3] = sliding

function sliding.open(key, window)
  local state = { key = key, window = window, start = now, previous = 0, current = 0 }
  local packed = call('GET', key)
  if not packed then
    return state
  end
  -- Values of 16 bytes are of a version with counts of 32 bits.
  local format = #packed == 16 and '>I8I4I4' or '>I8I8I8'
  local start, previous, current = unpack_(format, packed)
  -- If the clock stepped back, the current window starts now.
  start = math.min(start, now)
  if now >= start + window then
    start, previous, current = start + window, current, 0
    if now >= start + window then
      previous = 0
    end
  end
  if previous > 0 or current > 0 then
    state.start, state.previous, state.current = start, previous, current
  end
  return state
end

-- The time until neither window counts any more.
function sliding.reset_after(state)
  if state.current > 0 then
    return state.start + 2 * state.window - now
  elseif state.previous > 0 then
    return state.start + state.window - now
  end
  return 0
end

local function save_sliding(state)
  call('SET', state.key, pack('>I8I8I8', state.start, state.previous, state.current))
  set_ttl(state.key, div_up(sliding.reset_after(state), 1000) + 1)
end

-- The time, from the end of a window with `count` units, until at most `room` of them count.
local function fade_time(count, room, window)
  if count <= room then
    return 0
  end
  return window - (mul_div(window, room, count))
end

-- The estimated number of units in the last `window` microseconds.
local function estimate(state)
  local whole, rest = mul_div(state.window - (now - state.start), state.previous, state.window)
  return whole + (rest > 0 and 1 or 0) + state.current
end

-- The time until the estimate is at most `target`. Requires that it is above `target` now.
local function time_to_fall_to(state, target)
  local at
  if target >= state.current then
    at = state.start + fade_time(state.previous, target - state.current, state.window)
  else
    at = state.start + state.window + fade_time(state.current, target, state.window)
  end
  return at - now
end

function sliding.assess(state, count, wanted)
  local used = estimate(state)
  local reset = sliding.reset_after(state)
  if used + wanted <= count then
    return count - used, reset, 0
  end
  local remaining = math.max(count - used, 0)
  if wanted > count then
    return remaining, reset, -1
  end
  -- Repairs a time to live that is missing, or too long after the clock stepped back.
  local ttl = get_ttl(state.key)
  if ttl == -1 or ttl > div_up(2 * state.window, 1000) + 1 then
    save_sliding(state)
  end
  return remaining, reset, time_to_fall_to(state, count - wanted)
end

function sliding.next_after(state, count)
  local used = estimate(state)
  return used > 0 and time_to_fall_to(state, math.min(used, count) - 1) or 0
end

function sliding.record(state, cost)
  state.current = math.min(state.current + cost, MAX_USED)
  save_sliding(state)
end

-- Has no effect if `at` is before both windows.
function sliding.refund(key, window, cost, at)
  local state = sliding.open(key, window)
  if state.previous == 0 and state.current == 0 then
    return
  end
  if at >= state.start then
    state.current = math.max(state.current - cost, 0)
  elseif at + window >= state.start then
    state.previous = math.max(state.previous - cost, 0)
  end
  save_sliding(state)
end
