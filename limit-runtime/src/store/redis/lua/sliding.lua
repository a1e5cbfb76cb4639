-- The sliding window counter: (start, previous, current) in a string. Windows follow each other
-- from the first hit on, and the one before counts in proportion to how much of it lies within
-- the last window's length, rounded up.
local sliding = {}
strategies[3] = sliding

function sliding.open(key, window)
  ripe(key)
  local state = { key = key, window = window, start = now, previous = 0, current = 0 }
  local packed = call('GET', key)
  if not packed then
    return state
  end
  local start, previous, current = unpack_('>I8I8I8', packed)
  -- If the clock went back, the window starts now.
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

-- The time until nothing of it counts any more.
function sliding.consumed(state)
  if state.current > 0 then
    return state.start + 2 * state.window - now
  elseif state.previous > 0 then
    return state.start + state.window - now
  end
  return 0
end

local function save_sliding(state)
  call('SET', state.key, pack('>I8I8I8', state.start, state.previous, state.current))
  keep(state.key, div_up(sliding.consumed(state), 1000) + 1)
end

-- How far into the next window the `count` of a past one has faded to `room`.
local function fades_to(count, room, window)
  if count <= room then
    return 0
  end
  return window - (mul_div(window, room, count))
end

-- The estimate of what the last window's length holds.
local function estimate(state)
  local whole, rest = mul_div(state.window - (now - state.start), state.previous, state.window)
  return whole + (rest > 0 and 1 or 0) + state.current
end

-- The time until the estimate is no more than `target`, which it is above now.
local function falls_to(state, target)
  local till
  if target >= state.current then
    till = state.start + fades_to(state.previous, target - state.current, state.window)
  else
    till = state.start + state.window + fades_to(state.current, target, state.window)
  end
  return till - now
end

function sliding.assess(state, count, wanted)
  local used = estimate(state)
  local reset = sliding.consumed(state)
  if used + wanted <= count then
    return count - used, reset, 0
  end
  local remaining = math.max(count - used, 0)
  if wanted > count then
    return remaining, reset, -1
  end
  local ttl = left(state.key)
  if ttl == -1 or ttl > div_up(2 * state.window, 1000) + 1 then
    save_sliding(state)
  end
  return remaining, reset, falls_to(state, count - wanted)
end

-- The time until more of `count` remains; 0 if all of it does.
function sliding.next_after(state, count)
  local used = estimate(state)
  return used > 0 and falls_to(state, math.min(used, count) - 1) or 0
end

function sliding.record(state, cost)
  state.current = math.min(state.current + cost, MAX_USED)
  save_sliding(state)
end

-- Gives back what was consumed at `at`, if that was in one of the two windows.
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
