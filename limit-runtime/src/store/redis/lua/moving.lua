-- The moving window. A key holds a list of entries (tick, total), oldest first: when a request was
-- admitted, and the running total of all costs up to it. A request has one entry, whatever its
-- cost. A tick takes 4 bytes. A total takes 4 bytes below 2^32, and 8 bytes from there on.
--
-- The first element is a sentinel: the entry that expired last, or (0, 0) in a new list. The units
-- in the window are total(newest) - total(sentinel), so no check has to add up costs.
--
-- A tick is 1 us for windows up to 2^30 us. For longer windows it is ceil(window / 2^30) us. Ticks
-- are stored modulo 2^32. The time of a hit is rounded up to a tick, and the current time is
-- rounded down when entries expire, so rounding never admits too much.
--
-- The time to live is an eighth of a window longer than needed, so that only the first hit in each
-- eighth has to set it.
local moving = {}
strategies[1] = moving

-- With more entries than this, entries merge to the later time if they are less than
-- window / MAX_EXACT apart.
local MAX_EXACT = 8192

-- The maximum of running totals.
local MAX_TOTAL = 2 ^ 52

local function decode(element)
  return unpack_(#element > 8 and '>I4I8' or '>I4I4', element)
end

local function encode(tick, total)
  return pack(total < TWO_32 and '>I4I4' or '>I4I8', tick, total)
end

-- Appends `elements` to a list, 1,000 at a time because `unpack` has a limit.
local function append(key, elements)
  for from = 1, #elements, 1000 do
    call('RPUSH', key, unpack(elements, from, math.min(from + 999, #elements)))
  end
end

-- The tick and total at `index` of the list; -1 is the newest entry.
local function entry_at(log, index)
  return decode(call('LINDEX', log.key, index))
end

-- Whether an entry of this tick has left the window.
local function is_expired(log, tick)
  local age = (log.floor_tick - tick) % TWO_32
  -- Ticks wrap around: an age of three quarters of the range or more is a time in the future.
  return age >= log.window and age < 3 * TWO_30
end

-- Binary search: the first index from `low` to `high` for which `predicate(tick, total)` is true.
-- Requires that it is true for `high`, and for all indexes after the first.
local function find_first(log, low, high, predicate)
  while low < high do
    local middle = div(low + high, 2)
    if predicate(entry_at(log, middle)) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- Sets the state of an empty window.
local function set_empty(log)
  log.base, log.total, log.used = 0, 0, 0
  log.tick = nil
end

-- The time to live of a list whose newest entry is of now, in milliseconds.
local function longest_ttl(log)
  return div_up((log.window + log.eighth + 2) * log.unit, 1000) + 2
end

-- Whether the newest entry is of an earlier eighth of a window than now.
local function is_of_earlier_eighth(log)
  return (log.ceil_tick - log.tick) % TWO_32 > log.ceil_tick % log.eighth
end

-- Defined below.
local load_log

-- Handles a clock that stepped back: replaces all entries in the future by one entry of now, so
-- that they count for one window from now and no longer. `ahead` is how far the newest entry is in
-- the future, in ticks. If it is nil, ticks cannot express it, and all entries are replaced.
local function move_future_to_now(log, ahead)
  local from = 1
  if ahead then
    from = find_first(log, 1, call('LLEN', log.key) - 1, function(tick)
      return (log.tick - tick) % TWO_32 < ahead
    end)
  end
  call('LTRIM', log.key, 0, from - 1)
  call('RPUSH', log.key, encode(log.ceil_tick % TWO_32, log.total))
  set_ttl(log.key, longest_ttl(log))
  return load_log(log)
end

-- Whether the time to live is too long, because the clock stepped back after it was set.
local function has_clock_stepped_back(log)
  return get_ttl(log.key) > longest_ttl(log)
end

-- Reads the sentinel, the oldest and the newest entry, and removes expired entries. Sets `base`,
-- the total of the sentinel; `tick` and `total` of the newest entry; `first_tick` and `first_total`
-- of the oldest one; and `used`, the units in the window.
load_log = function(log)
  local head = call('LRANGE', log.key, 0, 2)
  if #head < 2 then
    return set_empty(log)
  end
  local _
  _, log.base = decode(head[1])
  log.tick, log.total = entry_at(log, -1)
  local ahead = (log.tick - log.ceil_tick) % TWO_32
  if ahead > 0 and ahead < TWO_30 then
    return move_future_to_now(log, ahead)
  end
  -- Ticks wrap around, so after a large step back an entry in the future can look like one of the
  -- past. The time to live shows that, until the next hit sets it.
  if is_of_earlier_eighth(log) and has_clock_stepped_back(log) then
    return move_future_to_now(log)
  end
  log.first_tick, log.first_total = decode(head[2])
  if is_expired(log, log.first_tick) then
    if is_expired(log, log.tick) then
      call('DEL', log.key)
      return set_empty(log)
    end
    log.base = log.first_total
    log.first_tick, log.first_total = decode(head[3])
    if is_expired(log, log.first_tick) then
      local live = find_first(log, 3, call('LLEN', log.key) - 1, function(tick)
        return not is_expired(log, tick)
      end)
      call('LTRIM', log.key, live - 1, -1)
      return load_log(log)
    end
    call('LPOP', log.key)
  end
  log.used = log.total - log.base
end

-- The time until an entry of this tick has left the window.
local function time_to_expiry(log, tick)
  return (log.ceil_tick - (log.ceil_tick - tick) % TWO_32 + log.window) * log.unit - now
end

-- The time until at least `units` units have left the window. Usually the oldest entry has enough.
local function time_to_free(log, units)
  local tick = log.first_tick
  if log.first_total - log.base < units then
    local index = find_first(log, 2, call('LLEN', log.key) - 1, function(_, total)
      return total - log.base >= units
    end)
    tick = entry_at(log, index)
  end
  return time_to_expiry(log, tick)
end

function moving.open(key, window)
  local unit = div_up(window, TWO_30)
  local log = {
    key = key,
    unit = unit,
    window = div_up(window, unit),
    floor_tick = div(now, unit),
    ceil_tick = div_up(now, unit),
  }
  log.eighth = div(log.window, 8)
  load_log(log)
  return log
end

function moving.assess(log, count, wanted)
  local used = log.used
  local reset = used > 0 and time_to_expiry(log, log.tick) or 0
  if used + wanted <= count then
    return count - used, reset, 0
  end
  local remaining = math.max(count - used, 0)
  if wanted > count then
    return remaining, reset, -1
  end
  -- Repairs a time to live that is missing, or too long after the clock stepped back. A hit that
  -- was recorded in this script call has already set it.
  if log.recorded == nil then
    local ttl = get_ttl(log.key)
    if ttl == -1 then
      set_ttl(log.key, longest_ttl(log))
    elseif ttl > longest_ttl(log) then
      move_future_to_now(log)
      return moving.assess(log, count, wanted)
    end
  end
  return remaining, reset, time_to_free(log, used + wanted - count)
end

function moving.next_after(log, count)
  return log.used > 0 and time_to_free(log, math.max(log.used - count, 0) + 1) or 0
end

function moving.reset_after(log)
  return (log.ceil_tick + log.window) * log.unit - now
end

-- Whether a hit of now may merge with the newest entry: the log is long, and the entry before the
-- newest one is so close to now that the merge delays no unit by more than window / MAX_EXACT.
local function is_crowded(log)
  if log.used < MAX_EXACT or call('LLEN', log.key) <= MAX_EXACT then
    return false
  end
  local before = entry_at(log, -2)
  return (log.ceil_tick - before) % TWO_32 <= div(log.window, MAX_EXACT)
end

-- Subtracts the sentinel's total from all totals, before they exceed MAX_TOTAL. If the units in the
-- window alone exceed it, which is possible after forced charges, the oldest units are dropped.
local function rebase(log, cost)
  local base = math.max(log.base, log.total + cost - MAX_TOTAL)
  local elements = call('LRANGE', log.key, 0, -1)
  for index = 1, #elements do
    local tick, total = decode(elements[index])
    elements[index] = encode(tick, math.max(total - base, 0))
  end
  call('DEL', log.key)
  append(log.key, elements)
  log.base, log.total = 0, log.total - base
  log.first_total = math.max(log.first_total - base, 0)
  log.used = log.total
end

function moving.record(log, cost)
  if log.tick ~= nil and log.total + cost > MAX_TOTAL then
    rebase(log, cost)
  end
  log.used = log.used + cost
  log.total = log.total + cost
  local tick = log.ceil_tick % TWO_32
  local newest = encode(tick, log.total)
  if log.tick == nil then
    call('RPUSH', log.key, encode(0, 0), newest)
    log.first_tick, log.first_total = tick, log.total
  elseif log.tick == tick or is_crowded(log) then
    call('LSET', log.key, -1, newest)
    if log.first_tick == tick then
      log.first_total = log.total
    end
  else
    call('RPUSH', log.key, newest)
  end
  log.tick = tick
  log.recorded = true
  set_ttl(log.key, div_up(moving.reset_after(log) + log.eighth * log.unit, 1000) + 1)
end

-- Takes units only from the entry that was recorded at `at`, or from the next one, if that is so
-- close that it may have been merged into it. What is missing before the first entry has nearly
-- always expired, or is of a list that was reset.
function moving.refund(key, window, cost, at)
  local log = moving.open(key, window)
  if log.tick == nil then
    return
  end
  local tick = div_up(at, log.unit) % TWO_32
  local function is_at_or_after(other)
    return (other - tick) % TWO_32 < 2 * TWO_30
  end
  if not is_at_or_after(log.tick) then
    return
  end
  local length = call('LLEN', key)
  local index = find_first(log, 1, length - 1, is_at_or_after)
  local found, total = entry_at(log, index)
  if found ~= tick and (index == 1 or (found - tick) % TWO_32 > div(log.window, MAX_EXACT)) then
    return
  end
  local _, before = entry_at(log, index - 1)
  local units = math.min(cost, total - before)
  if units == 0 then
    return
  end
  local later = call('LRANGE', key, index, -1)
  local kept = {}
  for place = 1, #later do
    local later_tick, later_total = decode(later[place])
    later_total = later_total - units
    -- An entry without units is removed, because the newest entry determines the reset time.
    if later_total ~= before then
      kept[#kept + 1] = encode(later_tick, later_total)
    end
    before = later_total
  end
  if index == 1 and #kept == 0 then
    call('DEL', key)
    return
  end
  call('LTRIM', key, 0, index - 1)
  append(key, kept)
end
