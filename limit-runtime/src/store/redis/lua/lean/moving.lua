-- The moving window, see ../moving.lua. Constant arguments of commands are strings, because the
-- server formats numbers as floating point.
-- @read
local name@ = KEYS[key + @]
local unit@, span@, floor@, ceil@ = 1, window@, now, now
if window@ > 1073741824 then
  unit@ = window@ + 1073741823
  unit@ = (unit@ - unit@ % 1073741824) / 1073741824
  span@ = window@ + unit@ - 1
  span@ = (span@ - span@ % unit@) / unit@
  floor@ = (now - now % unit@) / unit@
  ceil@ = floor@ * unit@ < now and floor@ + 1 or floor@
end
local eighth@, renews@ = (span@ - span@ % 8) / 8, true
local head@ = try_call('LRANGE', name@, '0', '2')
local length@, _ = #head@, nil
local base@, total@, tick@, first@, first_total@ = 0, 0, nil, nil, 0
if head@.err then break end
if length@ > 1 then
  local sentinel, oldest = head@[1], head@[2]
  local newest = length@ == 2 and oldest or call('LINDEX', name@, '-1')
  -- Entries have 8 or 12 bytes. The general text reports others.
  if #sentinel ~= 8 and #sentinel ~= 12 then break end
  if #oldest ~= 8 and #oldest ~= 12 or #newest ~= 8 and #newest ~= 12 then break end
  _, base@ = unpack_(#sentinel == 8 and '>I4I4' or '>I4I8', sentinel)
  first@, first_total@ = unpack_(#oldest == 8 and '>I4I4' or '>I4I8', oldest)
  tick@, total@ = unpack_(#newest == 8 and '>I4I4' or '>I4I8', newest)
  -- The clock stepped back.
  local ahead = (tick@ - ceil@) % 4294967296
  if ahead > 0 and ahead < 1073741824 then break end
  renews@ = (ceil@ - tick@) % 4294967296 > ceil@ % eighth@
  if renews@ then
    -- A time to live that is too long: the clock stepped back.
    local longest = (span@ + eighth@ + 2) * unit@ + 999
    if call('PTTL', name@) > (longest - longest % 1000) / 1000 + 2 then break end
  end
  local age = (floor@ - first@) % 4294967296
  if age >= span@ and age < 3221225472 then
    -- The oldest entry has expired.
    age = (floor@ - tick@) % 4294967296
    if age >= span@ and age < 3221225472 then break end
    base@, oldest = first_total@, head@[3]
    if #oldest ~= 8 and #oldest ~= 12 then break end
    first@, first_total@ = unpack_(#oldest == 8 and '>I4I4' or '>I4I8', oldest)
    age = (floor@ - first@) % 4294967296
    if age >= span@ and age < 3221225472 then
      -- The first live entry, by binary search.
      local low, high = 3, call('LLEN', name@) - 1
      while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        local entry = call('LINDEX', name@, middle)
        age = #entry < 4 and span@ or (floor@ - unpack_('>I4', entry)) % 4294967296
        if age >= span@ and age < 3221225472 then
          low = middle + 1
        else
          high = middle
        end
      end
      call('LTRIM', name@, low - 1, -1)
      local entries = call('LRANGE', name@, 0, 1)
      sentinel, oldest = entries[1], entries[2]
      if #sentinel ~= 8 and #sentinel ~= 12 or #oldest ~= 8 and #oldest ~= 12 then break end
      _, base@ = unpack_(#sentinel == 8 and '>I4I4' or '>I4I8', sentinel)
      first@, first_total@ = unpack_(#oldest == 8 and '>I4I4' or '>I4I8', oldest)
    else
      call('LPOP', name@)
    end
  end
end
local used@, wanted@, wait@ = total@ - base@, cost@ > 0 and cost@ or 1, 0
if used@ + wanted@ > count@ then
  if wanted@ > count@ then
    wait@ = -1
  else
    -- The oldest entry does not have enough.
    if first_total@ - base@ < used@ + wanted@ - count@ then break end
    wait@ = (ceil@ - (ceil@ - first@) % 4294967296 + span@) * unit@ - now
    -- A time to live that needs repair.
    local ttl, longest = call('PTTL', name@), (span@ + eighth@ + 2) * unit@ + 999
    if ttl == -1 or ttl > (longest - longest % 1000) / 1000 + 2 then break end
  end
end
-- @plan
local taken@ = consumes and cost@ or 0
if total@ + taken@ > 2 ^ 52 then break end
local newest@, merges@ = ceil@ % 4294967296, false
used@, total@ = used@ + taken@, total@ + taken@
if taken@ > 0 then
  if tick@ == nil then
    first@, first_total@ = newest@, total@
  else
    merges@ = tick@ == newest@
    if not merges@ and used@ >= 8192 and call('LLEN', name@) > 8192 then
      local entry = call('LINDEX', name@, -2)
      local before = #entry < 4 and span@ or (ceil@ - unpack_('>I4', entry)) % 4294967296
      merges@ = before <= (span@ - span@ % 8192) / 8192
    end
    if merges@ and first@ == newest@ then
      first_total@ = total@
    end
  end
end
local remaining@, reset@, next@ = count@ - used@, 0, 0
if remaining@ < 0 then
  remaining@ = 0
end
if used@ > 0 then
  -- The oldest entry does not have enough.
  if first_total@ - base@ < used@ - count@ + 1 or first_total@ == base@ then break end
  next@ = (ceil@ - (ceil@ - first@) % 4294967296 + span@) * unit@ - now
  if taken@ > 0 then
    reset@ = (ceil@ + span@) * unit@ - now
  else
    reset@ = (ceil@ - (ceil@ - tick@) % 4294967296 + span@) * unit@ - now
  end
end
-- @write
if taken@ > 0 then
  local entry = pack(total@ < 4294967296 and '>I4I4' or '>I4I8', newest@, total@)
  if tick@ == nil then
    call('RPUSH', name@, '\0\0\0\0\0\0\0\0', entry)
  elseif merges@ then
    call('LSET', name@, '-1', entry)
  else
    call('RPUSH', name@, entry)
  end
  if renews@ then
    local ttl = reset@ + eighth@ * unit@ + 999
    call('PEXPIRE', name@, (ttl - ttl % 1000) / 1000 + 1)
  end
end
