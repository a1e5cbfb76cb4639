-- The fixed window. A key holds a string of (start, used). The window starts at the first hit that
-- is admitted.
local fixed = {}
strategies[2] = fixed

function fixed.open(key, window)
  local state = { key = key, window = window, start = now, used = 0 }
  local packed = call('GET', key)
  if packed then
    local start, used = unpack_('>I8I8', packed)
    -- If the clock stepped back, the window starts now, so that it ends one length from now.
    start = math.min(start, now)
    if used > 0 and now < start + window then
      state.start, state.used = start, used
    end
  end
  return state
end

local function save_fixed(state)
  call('SET', state.key, pack('>I8I8', state.start, state.used))
  set_ttl(state.key, div_up(state.start + state.window - now, 1000) + 1)
end

function fixed.assess(state, count, wanted)
  local used = state.used
  local reset = used > 0 and fixed.reset_after(state) or 0
  if used + wanted <= count then
    return count - used, reset, 0
  end
  local remaining = math.max(count - used, 0)
  if wanted > count then
    return remaining, reset, -1
  end
  -- Repairs a time to live that is missing, or too long after the clock stepped back.
  local ttl = get_ttl(state.key)
  if ttl == -1 or ttl > div_up(state.window, 1000) + 1 then
    save_fixed(state)
  end
  return remaining, reset, fixed.reset_after(state)
end

function fixed.reset_after(state)
  return state.start + state.window - now
end

function fixed.next_after(state)
  return state.used > 0 and fixed.reset_after(state) or 0
end

function fixed.record(state, cost)
  state.used = math.min(state.used + cost, MAX_USED)
  save_fixed(state)
end

-- Has no effect if `at` is in an earlier window.
function fixed.refund(key, window, cost, at)
  local state = fixed.open(key, window)
  if state.used > 0 and at >= state.start then
    state.used = math.max(state.used - cost, 0)
    save_fixed(state)
  end
end
