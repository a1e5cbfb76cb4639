-- The moving window: a list of (tick, running total), oldest first. A tick has four bytes, and a
-- total too while it is below 2^32, else eight.
--
-- The first element is the sentinel: the last entry that expired, or zero at the start. What the
-- window holds is total(newest) - total(sentinel), whatever the number of entries, and one entry
-- stands for one request whatever its cost.
--
-- A tick is 1 us for windows up to 2^30 us and as much longer as the window needs; it is kept
-- modulo 2^32. Hits are recorded at the tick that ends after them and expire by the tick that
-- began before now, so rounding never admits too much.
local moving = {}
strategies[1] = moving

-- From this many entries on, those closer than this part of the window merge to the later time.
local EXACT = 8192

-- What running totals go up to.
local MAX_TOTAL = 2 ^ 52

local function unpacked(element)
  return unpack_(#element > 8 and '>I4I8' or '>I4I4', element)
end

local function packed(tick, total)
  return pack(total < TWO_32 and '>I4I4' or '>I4I8', tick, total)
end

-- Writes `elements`, of which a call takes only so many, behind those of a list.
local function append(key, elements)
  for from = 1, #elements, 1000 do
    call('RPUSH', key, unpack(elements, from, math.min(from + 999, #elements)))
  end
end

local function entry(log, index)
  return unpacked(call('LINDEX', log.key, index))
end

local function expired(log, tick)
  local age = (log.early - tick) % TWO_32
  -- Beyond three quarters of the circle it is no age but the future.
  return age >= log.window and age < 3 * TWO_30
end

-- The first index from `low` on for which `holds` is true; it is for `high`.
local function first(log, low, high, holds)
  while low < high do
    local middle = div(low + high, 2)
    if holds(entry(log, middle)) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local function nothing(log)
  log.base, log.total, log.used = 0, 0, 0
  log.tick = nil
end

local function longest_ttl(log)
  return div_up((log.window + 2) * log.unit, 1000) + 2
end

local load

-- The server's clock went back: what lies ahead of now becomes now, so that it counts one whole
-- window from here and no longer. `ahead` is in ticks; nil if it is more than ticks can tell.
local function settle(log, ahead)
  local from = 1
  if ahead then
    from = first(log, 1, call('LLEN', log.key) - 1, function(tick)
      return (log.tick - tick) % TWO_32 < ahead
    end)
  end
  call('LTRIM', log.key, 0, from - 1)
  call('RPUSH', log.key, packed(log.late % TWO_32, log.total))
  keep(log.key, longest_ttl(log))
  return load(log)
end

local function is_long_ago(log)
  return left(log.key) > longest_ttl(log)
end

load = function(log)
  local head = call('LRANGE', log.key, 0, 2)
  if #head < 2 then
    return nothing(log)
  end
  local _
  _, log.base = unpacked(head[1])
  log.tick, log.total = entry(log, -1)
  local ahead = (log.tick - log.late) % TWO_32
  if ahead > 0 and ahead < TWO_30 then
    return settle(log, ahead)
  end
  log.first_tick, log.first_total = unpacked(head[2])
  if expired(log, log.first_tick) then
    -- Ticks come round; the time that the key has left tells a clock that went far back.
    if is_long_ago(log) then
      return settle(log)
    end
    if expired(log, log.tick) then
      call('DEL', log.key)
      return nothing(log)
    end
    log.base = log.first_total
    log.first_tick, log.first_total = unpacked(head[3])
    if expired(log, log.first_tick) then
      local live = first(log, 3, call('LLEN', log.key) - 1, function(tick)
        return not expired(log, tick)
      end)
      call('LTRIM', log.key, live - 1, -1)
      return load(log)
    end
    call('LPOP', log.key)
  end
  log.used = log.total - log.base
end

-- How long until what was recorded at `tick` has expired.
local function wait(log, tick)
  return (log.late - (log.late - tick) % TWO_32 + log.window) * log.unit - now
end

-- The time until so many units have left; the oldest entry is mostly enough.
local function leaves(log, units)
  local tick = log.first_tick
  if log.first_total - log.base < units then
    local index = first(log, 2, call('LLEN', log.key) - 1, function(_, total)
      return total - log.base >= units
    end)
    tick = entry(log, index)
  end
  return wait(log, tick)
end

function moving.open(key, window)
  ripe(key)
  local unit = div_up(window, TWO_30)
  local log = {
    key = key,
    unit = unit,
    window = div_up(window, unit),
    early = div(now, unit),
    late = div_up(now, unit),
  }
  load(log)
  return log
end

function moving.assess(log, count, wanted)
  local used = log.used
  local reset = used > 0 and wait(log, log.tick) or 0
  if used + wanted <= count then
    return count - used, reset, 0
  end
  local remaining = math.max(count - used, 0)
  if wanted > count then
    return remaining, reset, -1
  end
  if log.recorded == nil then
    local ttl = left(log.key)
    if ttl == -1 then
      keep(log.key, longest_ttl(log))
    elseif ttl > longest_ttl(log) then
      settle(log)
      return moving.assess(log, count, wanted)
    end
  end
  return remaining, reset, leaves(log, used + wanted - count)
end

-- The time until more of `count` remains; 0 if all of it does.
function moving.next_after(log, count)
  return log.used > 0 and leaves(log, math.max(log.used - count, 0) + 1) or 0
end

function moving.consumed(log)
  return (log.late + log.window) * log.unit - now
end

-- Whether the newest entry may merge with one that comes now: the log is long, and the entry
-- before it so close that none is delayed by more than the window's EXACTth part.
local function is_crowded(log)
  if log.used < EXACT or call('LLEN', log.key) <= EXACT then
    return false
  end
  local before = entry(log, -2)
  return (log.late - before) % TWO_32 <= div(log.window, EXACT)
end

-- Totals grow while a log lives. Before they pass MAX_TOTAL they begin anew, from the sentinel's;
-- if what the window holds is more than that, as after forced charges, the oldest entries give it up.
local function rebase(log, cost)
  local base = math.max(log.base, log.total + cost - MAX_TOTAL)
  local elements = call('LRANGE', log.key, 0, -1)
  for index = 1, #elements do
    local tick, total = unpacked(elements[index])
    elements[index] = packed(tick, math.max(total - base, 0))
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
  local late = log.late % TWO_32
  local newest = packed(late, log.total)
  if log.tick == nil then
    call('RPUSH', log.key, packed(0, 0), newest)
    log.first_tick, log.first_total = late, log.total
  elseif log.tick == late or is_crowded(log) then
    call('LSET', log.key, -1, newest)
    if log.first_tick == late then
      log.first_total = log.total
    end
  else
    call('RPUSH', log.key, newest)
  end
  log.tick = late
  log.recorded = true
  keep(log.key, div_up(moving.consumed(log), 1000) + 1)
end

-- Takes up to `cost` units out of the entry that was recorded at `at`, and of no other.
function moving.refund(key, window, cost, at)
  local log = moving.open(key, window)
  if log.tick == nil then
    return
  end
  local tick = div_up(at, log.unit) % TWO_32
  local function is_due(other)
    return (other - tick) % TWO_32 < 2 * TWO_30
  end
  if not is_due(log.tick) then
    return
  end
  local length = call('LLEN', key)
  local index = first(log, 1, length - 1, is_due)
  local found, total = entry(log, index)
  if found ~= tick then
    return
  end
  local _, before = entry(log, index - 1)
  local units = math.min(cost, total - before)
  if units == 0 then
    return
  end
  local later = call('LRANGE', key, index, -1)
  local kept = {}
  for place = 1, #later do
    local its_tick, its_total = unpacked(later[place])
    its_total = its_total - units
    -- An entry with no units left is none: the newest tells when all is available again.
    if its_total ~= before then
      kept[#kept + 1] = packed(its_tick, its_total)
    end
    before = its_total
  end
  if index == 1 and #kept == 0 then
    call('DEL', key)
    return
  end
  call('LTRIM', key, 0, index - 1)
  append(key, kept)
end
