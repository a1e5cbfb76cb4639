-- The fixed window, see ../fixed.lua.
-- @read
local packed@ = try_call('GET', KEYS[key + @])
local start@, used@ = now, 0
if packed@ then
  if #packed@ ~= 16 then break end
  local start, used = unpack_('>I8I8', packed@)
  -- The clock stepped back.
  if start > now then break end
  if used > 0 and now < start + window@ then
    start@, used@ = start, used
  end
end
local left@ = start@ + window@ - now
local wanted@, wait@ = cost@ > 0 and cost@ or 1, 0
if used@ + wanted@ > count@ then
  if wanted@ > count@ then
    wait@ = -1
  else
    wait@ = left@
    -- A time to live that needs repair.
    local ttl = call('PTTL', KEYS[key + @])
    if ttl == -1 or ttl > window@ / 1000 + 1 then break end
  end
end
-- @plan
local taken@ = consumes and cost@ or 0
used@ = used@ + taken@
if used@ > 2 ^ 50 then break end
local remaining@, reset@ = count@ - used@, used@ > 0 and left@ or 0
if remaining@ < 0 then
  remaining@ = 0
end
local next@ = reset@
-- @write
if taken@ > 0 then
  local ttl = left@ + 999
  ttl = (ttl - ttl % 1000) / 1000 + 1
  call('SET', KEYS[key + @], pack('>I8I8', start@, used@), 'PX', ttl)
end
