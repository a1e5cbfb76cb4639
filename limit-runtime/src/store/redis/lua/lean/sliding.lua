-- The sliding window counter, see ../sliding.lua.
-- @read
local packed@ = try_call('GET', KEYS[key + @])
local start@, previous@, current@ = now, 0, 0
if packed@ then
  if #packed@ ~= 24 then break end
  local start, previous, current = unpack_('>I8I8I8', packed@)
  -- The clock stepped back.
  if start > now then break end
  if now >= start + window@ then
    start, previous, current = start + window@, current, 0
    if now >= start + window@ then
      previous = 0
    end
  end
  if previous > 0 or current > 0 then
    start@, previous@, current@ = start, previous, current
  end
end
local used@ = (window@ - (now - start@)) * previous@
if used@ >= 2 ^ 53 then break end
local over@ = used@ % window@
used@ = (used@ - over@) / window@ + current@
if over@ > 0 then
  used@ = used@ + 1
end
local wanted@, wait@ = cost@ > 0 and cost@ or 1, 0
if used@ + wanted@ > count@ then
  if wanted@ > count@ then
    wait@ = -1
  else
    -- The time until the estimate has fallen to `target`.
    local target = count@ - wanted@
    local room, units = target - current@, previous@
    wait@ = start@ - now
    if room < 0 then
      room, units, wait@ = target, current@, wait@ + window@
    end
    if units > room then
      room = window@ * room
      if room >= 2 ^ 53 then break end
      wait@ = wait@ + window@ - (room - room % units) / units
    end
    -- A time to live that needs repair.
    local ttl = call('PTTL', KEYS[key + @])
    if ttl == -1 or ttl > 2 * window@ / 1000 + 1 then break end
  end
end
-- @plan
local taken@ = consumes and cost@ or 0
used@, current@ = used@ + taken@, current@ + taken@
if current@ > 2 ^ 50 then break end
local remaining@, next@ = count@ - used@, 0
if remaining@ < 0 then
  remaining@ = 0
end
if used@ > 0 then
  local target = (used@ < count@ and used@ or count@) - 1
  local room, units = target - current@, previous@
  next@ = start@ - now
  if room < 0 then
    room, units, next@ = target, current@, next@ + window@
  end
  if units > room then
    room = window@ * room
    if room >= 2 ^ 53 then break end
    next@ = next@ + window@ - (room - room % units) / units
  end
end
local reset@ = 0
if current@ > 0 then
  reset@ = start@ + 2 * window@ - now
elseif previous@ > 0 then
  reset@ = start@ + window@ - now
end
-- @write
if taken@ > 0 then
  local ttl = reset@ + 999
  ttl = (ttl - ttl % 1000) / 1000 + 1
  call('SET', KEYS[key + @], pack('>I8I8I8', start@, previous@, current@), 'PX', ttl)
end
