-- GCRA, see ../gcra.lua. `level` is the time until the bucket is empty, in 1/count of a
-- microsecond, so a unit takes `window` of it.
-- @read
local packed@ = try_call('GET', KEYS[key + @])
local level@ = 0
if packed@ then
  if #packed@ ~= 32 then break end
  local written, empty, part, stored_count = unpack_('>I8I8I8I8', packed@)
  -- The clock stepped back, or the count of the limit changed.
  if written > now or stored_count ~= count@ then break end
  if empty >= now then
    level@ = (empty - now) * count@ + part
    if level@ >= 2 ^ 53 then break end
  end
end
local over@ = level@ % window@
local used@ = (level@ - over@) / window@
if over@ > 0 then
  used@ = used@ + 1
end
local wanted@, wait@ = cost@ > 0 and cost@ or 1, 0
if used@ + wanted@ > burst@ then
  if wanted@ > burst@ then
    wait@ = -1
  else
    wait@ = level@ - (burst@ - wanted@) * window@
    wait@ = wait@ + (-wait@) % count@
    wait@ = wait@ / count@
    -- A time to live that needs repair.
    local ttl, longest = call('PTTL', KEYS[key + @]), (level@ + (-level@) % count@) / count@ + 1000
    if ttl == -1 or ttl > (longest - longest % 1000) / 1000 + 2 then break end
  end
end
-- @plan
local taken@ = consumes and cost@ or 0
level@ = level@ + window@ * taken@
if level@ >= 2 ^ 53 then break end
local part@ = level@ % count@
local ahead@ = (level@ - part@) / count@
if now + ahead@ > 2 ^ 52 then break end
used@ = used@ + taken@
local remaining@, next@ = burst@ - used@, 0
if remaining@ < 0 then
  remaining@ = 0
end
if used@ > 0 then
  next@ = level@ - ((used@ < burst@ and used@ or burst@) - 1) * window@
  next@ = next@ + (-next@) % count@
  next@ = next@ / count@
end
local reset@ = part@ > 0 and ahead@ + 1 or ahead@
-- @write
if taken@ > 0 then
  local ttl = ahead@ + 1000
  ttl = (ttl - ttl % 1000) / 1000 + 1
  call('SET', KEYS[key + @], pack('>I8I8I8I8', now, now + ahead@, part@, count@), 'PX', ttl)
end
